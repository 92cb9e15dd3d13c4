"""All that is wrong with a pile of images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from tutelage.core.names import counted
from tutelage.curation.cleaning import quality
from tutelage.curation.cleaning.copies import copy_faults, find_links, groups_of
from tutelage.curation.cleaning.faults import Fault, Kind, ranked
from tutelage.curation.cleaning.pictures import Pictures
from tutelage.curation.cleaning.unlike import LEAST, far_from_all, far_from_own_class, of_no_class
from tutelage.curation.cleaning.wrong_labels import find_wrong_labels
from tutelage.curation.pile import Pile


def find_faults(
    pile: Pile, pictures: Pictures, measures: quality.Measures, *, workers: int, console: Console
) -> list[Fault]:
    """All faults, in the order of `ranked`; what could not be judged is printed.

    Args:
        measures: of the images of the pile.
    """
    faults = [Fault(path, Kind.UNREADABLE, suggestion=f"leave out: {why}") for path, why in pictures.unreadable]
    features = pile.features if pile.further is None else np.concatenate([pile.further, pile.features])
    links = find_links(pictures, features, workers=workers)
    faults += copy_faults(pictures, links)
    paths = pictures.paths[pictures.learned :]
    faults += label_faults(pile, paths, groups_of(len(pictures.items), links)[pictures.learned :], console)
    faults += quality_faults(measures, pictures)
    return ranked(faults)


def label_faults(pile: Pile, paths: list[str], groups: NDArray[np.int64], console: Console) -> list[Fault]:
    """Wrong labels, and images that do not belong.

    Args:
        paths: (N,) of the images of the pile.
        groups: (N,) equal for copies of an image.
    """
    known = int((pile.labels >= 0).sum())
    suspects = find_wrong_labels(pile.features, pile.labels, groups=groups)
    faults = []
    for row, other, margin in zip(suspects.rows, suspects.suggested, suspects.margin, strict=True):
        label = pile.classes[other]
        faults.append(
            Fault(paths[row], Kind.WRONG_LABEL, score=float(margin), suggestion=f"label {label}?", label=label)
        )
    if known < LEAST:
        said = "no labels" if not known else f"only {counted(known, 'label')}"
        console.print(f"- {said}: images are compared with all others, not with those of a class")
        rows, score = far_from_all(pile.features)
        return faults + _far(Kind.UNLIKE_ALL, paths, rows, score)
    trusted = pile.labels.copy()
    trusted[suspects.rows] = -1  # an image with a wrong label is far from its class without being foreign
    faults += _far(Kind.UNLIKE_CLASS, paths, *far_from_own_class(pile.features, trusted))
    bare = np.flatnonzero((pile.labels >= 0) & (trusted < 0))
    rows, score = of_no_class(pile.features, trusted)
    own = ~np.isin(rows, bare)
    return faults + _far(Kind.NO_CLASS, paths, rows[own], score[own])


def quality_faults(measures: quality.Measures, pictures: Pictures) -> list[Fault]:
    """Images of one color, dark, bright and blurred ones, and odd sizes; `measures` are of the images of the pile."""
    paths, looks = pictures.paths[pictures.learned :], pictures.looks[pictures.learned :]
    faults = []
    for kind, mask, advice in (
        (Kind.EMPTY, quality.is_empty(measures), "leave out"),
        (Kind.DARK, quality.is_dark(measures), "look at it"),
        (Kind.BRIGHT, quality.is_bright(measures), "look at it"),
    ):
        faults += [Fault(paths[row], kind, suggestion=advice) for row in np.flatnonzero(mask)]
    blur = quality.blur(measures)
    rows = np.flatnonzero(blur > quality.BLURRED)
    rows = rows[np.argsort(-blur[rows], kind="stable")]
    faults += [Fault(paths[row], Kind.BLURRED, score=float(blur[row]), suggestion="look at it") for row in rows]
    sizes = quality.odd_sizes([look.size for look in looks])
    return faults + [
        Fault(path, Kind.ODD_SIZE, suggestion=said) for path, said in zip(paths, sizes, strict=True) if said is not None
    ]


def _far(kind: Kind, paths: list[str], rows: NDArray[np.int64], score: NDArray[np.float32]) -> list[Fault]:
    advice = "look at it" if kind == Kind.UNLIKE_CLASS else "does it belong here?"
    return [
        Fault(paths[row], kind, score=float(value), suggestion=advice) for row, value in zip(rows, score, strict=True)
    ]
