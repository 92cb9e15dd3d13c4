"""Masks of several folders with the same names, matched to reference masks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tutelage.core.errors import DataError
from tutelage.core.inputs import user_path
from tutelage.core.names import first_of, shown
from tutelage.core.regular import special_kind
from tutelage.data.scans.folders import LABEL_FOLDERS, find_folder, scan_files
from tutelage.data.scans.formats.common import (
    MASK_SLICE_SUFFIXES,
    SLICE_SUFFIXES,
    VOLUME_SUFFIXES,
    same_name,
    stem_of,
    suffix_of,
)
from tutelage.data.scans.masks import PROBABILITIES

_ROLE = re.compile(r"[_-](pred|prediction|predicted|gt|groundtruth|label|labels|seg|segmentation|mask|reference)$")


@dataclass(frozen=True)
class MaskPair:
    """A reference mask, and the mask of each set that was predicted for it."""

    name: str
    reference: Path
    predicted: tuple[Path, ...]


@dataclass
class MaskPairs:
    """What is scored, in the order of names, and sentences on what is not."""

    pairs: list[MaskPair]
    warnings: list[str] = field(default_factory=list)


def pair_masks(predicted: Sequence[str | Path], reference: str | Path) -> MaskPairs:
    """The masks of each of the sources `predicted` with those of `reference` that have the same name.

    Suffixes and forms of Unicode do not matter. If no names are the same, endings such as `_pred` and `_gt` do not
    matter either. Two single files are a pair, whatever their names.

    Raises:
        DataError: a source does not exist or holds no masks, or no names are the same.
    """
    references, *sets = [_masks(source) for source in (reference, *predicted)]
    if all(user_path(source).is_file() for source in (reference, *predicted)):
        (name,) = references
        return MaskPairs([MaskPair(name, references[name], tuple(next(iter(one.values())) for one in sets))])
    if not set(references) & set(sets[0]):
        references, *sets = [_without_role(masks) for masks in (references, *sets)]
    named = [name for name in sorted(references) if all(name in masks for masks in sets)]
    if not named:
        raise DataError(
            f"no mask in {shown(str(predicted[0]))} has the name of a mask in {shown(str(reference))}: they have "
            f"{first_of(sorted(sets[0]), 3)} and {first_of(sorted(references), 3)}"
        )
    found = MaskPairs([MaskPair(name, references[name], tuple(masks[name] for masks in sets)) for name in named])
    for source, masks in zip(predicted, sets, strict=True):
        if lost := sorted(set(references) - set(masks)):
            found.warnings.append(
                f"{shown(str(source))} has no mask for {len(lost)} of {len(references)} references "
                f"({first_of(lost, 3)}): they are not scored"
            )
        if more := sorted(set(masks) - set(references)):
            found.warnings.append(
                f"{len(more)} of {len(masks)} masks in {shown(str(source))} have no reference ({first_of(more, 3)})"
            )
    return found


def _masks(source: str | Path) -> dict[str, Path]:
    """The masks of a folder, or of its `labels/`, by name; or a single file."""
    root = user_path(source)
    if root.is_file():
        if suffix_of(root) not in (*VOLUME_SUFFIXES, *SLICE_SUFFIXES):
            known = " ".join((*VOLUME_SUFFIXES, *MASK_SLICE_SUFFIXES))
            raise DataError(f"{shown(str(source))} is no mask: expected one of {known}")
        return {same_name(stem_of(root)): root}
    if (kind := special_kind(root)) is not None:
        raise DataError(f"{shown(str(source))} is {kind}; expected a folder of masks")
    if not root.is_dir():
        raise DataError(f"{shown(str(source))}: no such file or folder; expected a folder of masks")
    folder = root if _files(root) else find_folder(root, LABEL_FOLDERS)
    files = [] if folder is None else _files(folder)
    if not files:
        raise DataError(f"{shown(str(source))} holds no masks (known suffixes: {' '.join(VOLUME_SUFFIXES)} .png)")
    masks: dict[str, Path] = {}
    for file in files:
        name = same_name(stem_of(file))
        if name in masks:
            raise DataError(f"{shown(str(file))} and {shown(masks[name].name)} are masks of one name: keep one")
        masks[name] = file
    return masks


def _files(folder: Path) -> list[Path]:
    return [path for path in scan_files(folder, slices=True) if not stem_of(path).endswith(PROBABILITIES)]


def _without_role(masks: dict[str, Path]) -> dict[str, Path]:
    """The masks by name without `_pred`, `_gt` and the like; as they are if two would have one name."""
    short = {_ROLE.sub("", name): path for name, path in masks.items()}
    return short if len(short) == len(masks) else masks
