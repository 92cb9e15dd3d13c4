"""Copies in a pile and of the images that score: which image of each group is kept, and which are faults."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from tutelage.curation.cleaning.crops import cropped_pairs
from tutelage.curation.cleaning.faults import Fault, Kind
from tutelage.curation.cleaning.pictures import SCORED, Pictures
from tutelage.data.images.copies import exact_copies, similar_copies
from tutelage.data.images.perceptual_hash import SIDE
from tutelage.data.images.resaved import SMALLEST

_KINDS = {"exact": Kind.EXACT, "pixels": Kind.PIXELS, "resaved": Kind.RESAVED, "mirrored": Kind.MIRRORED}


@dataclass(frozen=True)
class Link:
    """Two rows of the pictures that show the same, and how sure that is, in [-1, 1]."""

    kind: Kind
    first: int
    second: int
    score: float


def find_links(pictures: Pictures, features: NDArray[np.float32], *, workers: int) -> list[Link]:
    """All pairs that were found, the surest kind first; a pair is named once.

    Args:
        features: (N, D) of all pictures, rows of norm 1, in which candidates for cropped copies are found.
    """
    found = exact_copies(pictures.looks)
    found += similar_copies(pictures.items, pictures.looks, mirrored=True, workers=workers)
    links = [Link(_KINDS[copy.kind], copy.first, copy.second, copy.score) for copy in found]
    group = groups_of(len(pictures.items), links)
    large = [row for row in range(len(group)) if min(pictures.looks[row].size) >= SMALLEST]
    firsts = np.array(sorted({int(group[row]): row for row in reversed(large)}.values()), np.int64)  # one of each group
    if len(firsts) > 1:
        joined = np.frombuffer(b"".join(pictures.looks[row].thumbnail for row in firsts), np.uint8)
        pairs, scores = cropped_pairs(features[firsts], joined.reshape(-1, SIDE, SIDE))
        links += [
            Link(Kind.CROPPED, int(firsts[a]), int(firsts[b]), float(score))
            for (a, b), score in zip(pairs, scores, strict=True)
        ]
    return links


def groups_of(count: int, links: Sequence[Link]) -> NDArray[np.int64]:
    """(count,) equal for rows that links connect."""
    rows = np.array([[link.first, link.second] for link in links], np.int64).reshape(-1, 2)
    graph = scipy.sparse.coo_matrix((np.ones(len(rows)), (rows[:, 0], rows[:, 1])), shape=(count, count))
    return scipy.sparse.csgraph.connected_components(graph, directed=False)[1].astype(np.int64)


def copy_faults(pictures: Pictures, links: Sequence[Link]) -> list[Fault]:
    """A fault for each image but one of each group, and one for each label that differs from that of the kept image.

    An image that scores is kept before others, a labeled one before an unlabeled one, and a large one before a small
    one.
    """
    group = groups_of(len(pictures.items), links)
    linked: dict[int, list[Link]] = defaultdict(list)
    members: dict[int, set[int]] = defaultdict(set)
    for link in links:
        members[int(group[link.first])] |= {link.first, link.second}
        for row in (link.first, link.second):
            linked[row].append(link)
    faults = []
    for rows in members.values():
        kept = min(rows, key=lambda row: _rank(pictures, row))
        for row in sorted(rows - {kept}):
            direct = [link for link in linked[row] if kept in (link.first, link.second)]
            link = (direct or linked[row])[0]
            faults.append(_copy(pictures, row, kept, link))
            a, b = pictures.items[kept].label, pictures.items[row].label
            if None not in (a, b) and a != b and not pictures.splits[row]:
                faults.append(
                    Fault(pictures.paths[row], Kind.DISPUTED, pictures.paths[kept], "", link.score, f"{a} or {b}?")
                )
    return faults


def _copy(pictures: Pictures, row: int, kept: int, link: Link) -> Fault:
    other = pictures.splits[kept]
    between = other if other != pictures.splits[row] else ""
    advice = "leave out"
    if pictures.splits[row]:
        advice = "scored twice" if not between else "leave out of one of the splits"
    return Fault(pictures.paths[row], link.kind, pictures.paths[kept], between, link.score, advice)


def _rank(pictures: Pictures, row: int) -> tuple[int, bool, int, int]:
    split = pictures.splits[row]
    width, height = pictures.looks[row].size
    place = SCORED.index(split) if split else len(SCORED)
    return place, pictures.items[row].label is None, -width * height, row
