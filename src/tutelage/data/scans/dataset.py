"""The scans of a run: prepared volumes, the rows of both streams, and the cases that score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutelage.config.data import DataConfig
from tutelage.config.scan import ScanConfig
from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.core.seeding import derived_seed
from tutelage.core.wording import named, option
from tutelage.data.scans.inventory import take_scan_inventory
from tutelage.data.scans.parts import ScanInventory, ScanPart
from tutelage.data.scans.patch_choice import choose_patch
from tutelage.data.scans.scan_set import Rows, ScanSet, ScanSubset, VolumeCache
from tutelage.data.scans.survey import fill_cache
from tutelage.data.split import copies_of, leave_out

PATCH_VOXELS = 32**3  # of a patch that a CPU has time for in a quarter of an hour
LEAST_LABELED = 4  # labeled cases, below which none is held out


class ScanDataset:
    """What a run trains and scores on.

    Attributes:
        classes: class names in the order of their indices; the first is the background.
        values: label value of each class in the files.
        scan: the settings, with what the source declares.
        train: all training cases: labeled, unlabeled and held out.
        labeled_rows, unlabeled_rows: sorted rows of the two streams. Held-out rows and their copies are in neither.
        val: validation cases, or None if there are too few labels.
        hidden_rows: rows whose labels `label_count` hides; for diagnosis only.
        notes: what was found and decided, one sentence each.
        fingerprint, facts: as in `ImageDataset`.
    """

    def __init__(
        self,
        *,
        data: DataConfig,
        inventory: ScanInventory,
        train: ScanSet,
        labeled_rows: Rows,
        unlabeled_rows: Rows,
        hidden_rows: Rows,
        val: ScanSubset | None,
        notes: list[str],
    ) -> None:
        self.classes, self.values, self.scan = inventory.classes, tuple(inventory.values.values()), inventory.scan
        self.train, self.val, self.notes = train, val, notes
        self.labeled_rows, self.unlabeled_rows, self.hidden_rows = labeled_rows, unlabeled_rows, hidden_rows
        self.fingerprint, self.facts = inventory.fingerprint(), inventory.facts()
        self._data, self._test = data, inventory.parts.get("test")

    @property
    def has_test(self) -> bool:
        return self._test is not None

    @property
    def test_count(self) -> int:
        """The number of labeled test cases."""
        return 0 if self._test is None else self._test.labeled

    @property
    def test_shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the prepared test cases."""
        return [] if self._test is None else [look.placement.shape for case, look in self._test if case.label]

    @property
    def axes(self) -> int:
        """2 or 3."""
        return len(self.train.looks[0].placement.shape)

    @property
    def channels(self) -> int:
        return self.train.looks[0].channels

    @property
    def patch_size(self) -> tuple[int, ...]:
        return self.scan.patch(self.axes)

    def load_test(self) -> ScanSubset:
        """Prepare the test cases now. Call it once, at the end, when nothing depends on them any more.

        Raises:
            DataError: there are none.
        """
        if self._test is None:
            raise DataError(f"there are no test cases: name a source with {option('test')}")
        return _labeled_part(self._test, self.values, self.train.cache, self.scan)

    def split_record(self) -> dict[str, Any]:
        """The role of each case, by name, ready for JSON."""
        held_out = self.val is not None and self.val.scans is self.train
        names = self.train.names
        return {
            "classes": list(self.classes),
            "label_values": list(self.values),
            "fingerprint": self.fingerprint,
            "label_count": self._data.label_count,
            "labeled_choice": self.scan.labeled,
            "labeled": [names[row] for row in self.labeled_rows],
            "labeled_contents": [self.train.looks[row].digest for row in self.labeled_rows],
            "held_out": self.val.names if self.val is not None and held_out else [],
            "train_images": len(self.train),
            "unlabeled_images": len(self.unlabeled_rows),
            "val_images": 0 if self.val is None else len(self.val),
            "test_images": self.test_count,
        }


def load_scans(
    data: DataConfig,
    scan: ScanConfig,
    *,
    seed: int,
    workers: int = 1,
    cache_dir: Path,
    inventory: ScanInventory | None = None,
    patch_voxels: int = PATCH_VOXELS,
) -> ScanDataset:
    """Prepare the training and validation cases and choose the rows of both streams.

    Args:
        seed: chooses the kept and the held-out labels, together with the names of the cases.
        workers: threads that read; the result does not depend on their number.
        cache_dir: where prepared volumes are kept; cases that are there already are not read again.
        inventory: from an earlier check.
        patch_voxels: of a patch at most, if `scan.patch_size` is to be chosen.

    Raises:
        DataError: with all faults of all sources.
    """
    inventory = inventory or take_scan_inventory(data, scan, workers=workers, cache_dir=cache_dir)
    if inventory.faults:
        raise DataError(inventory.faults)
    inventory = _with_patch(inventory, patch_voxels)
    scan, cache, values = inventory.scan, VolumeCache(cache_dir), tuple(inventory.values.values())
    parts = [inventory.parts[role] for role in ("train", "unlabeled") if role in inventory.parts]
    cases = [case for part in parts for case in part.cases]
    looks = [look for part in parts for look in part.looks]
    fill_cache(cases, looks, scan, cache)
    train, notes = ScanSet(cases, looks, values, cache, scan), _found(inventory)

    known = np.array([row for row, case in enumerate(cases) if case.label is not None], np.int64)
    kept = keep_cases(known, train.names, count=data.label_count, choice=scan.labeled, seed=seed)
    if len(kept) < len(known):
        how = "the first listed" if scan.labeled == "first" else "drawn by the seed"
        notes.append(f"{len(kept)} of {len(known)} labels are used ({how}), the others are hidden")
    val: ScanSubset | None = None
    held = copies = kept[:0]
    if "val" in inventory.parts:
        val = _labeled_part(inventory.parts["val"], values, cache, scan)
    else:
        held = hold_out_cases(kept, train.names, share=data.val_share, seed=seed)
        copies = copies_of(held, [look.digest.encode() for look in looks])
        val = ScanSubset(train, held) if len(held) else None
        notes.append(_held_note(len(held), len(kept), data.val_share))
    not_learned = np.union1d(held, copies)
    labeled = np.setdiff1d(kept, not_learned)
    unlabeled = np.setdiff1d(np.arange(len(train)), not_learned)
    if data.exclude_labeled:
        unlabeled = leave_out(unlabeled, labeled, [look.digest.encode() for look in looks], notes)
    return ScanDataset(
        data=data,
        inventory=inventory,
        train=train,
        labeled_rows=labeled,
        unlabeled_rows=unlabeled,
        hidden_rows=np.setdiff1d(known, np.union1d(kept, copies)),
        val=val,
        notes=notes,
    )


def _with_patch(inventory: ScanInventory, voxels: int) -> ScanInventory:
    """The inventory with the size of patches, chosen for the training cases if it is not given."""
    if inventory.scan.patch_size:
        return inventory
    places = [look.placement for look in inventory.parts["train"].looks]
    size = choose_patch([place.shape for place in places], [place.spacing for place in places], voxels)
    return replace(inventory, scan=replace(inventory.scan, patch_size=size))


def keep_cases(known: Rows, names: Sequence[str], *, count: int | None, choice: str, seed: int) -> Rows:
    """Sorted rows of the `count` labels that are kept, or of all of them.

    `random` orders them by a hash of (seed, name), so that the 4 of a seed are among its 8; `first` takes them as
    they are listed.

    Raises:
        DataError: there are fewer.
    """
    if count is None:
        return known
    if count > len(known):
        raise DataError(
            f"{named('label_count')} must be at most the number of labeled cases, {len(known)}, got {count}"
        )
    order = known if choice == "first" else known[_order(known, names, seed, "label")]
    return np.sort(order[:count])


def hold_out_cases(rows: Rows, names: Sequence[str], *, share: float, seed: int) -> Rows:
    """Sorted rows, among the labeled `rows`, to validate on: a share of them, at least one.

    No rows if `share` is 0 or there are fewer than `LEAST_LABELED`.
    """
    if share == 0.0 or len(rows) < LEAST_LABELED:
        return rows[:0]
    number = min(max(1, round(share * len(rows))), len(rows) - 1)
    return np.sort(rows[_order(rows, names, seed, "val")][:number])


def _order(rows: Rows, names: Sequence[str], seed: int, purpose: str) -> NDArray[np.int64]:
    return np.argsort([derived_seed(seed, purpose, names[row]) for row in rows], kind="stable")


def _labeled_part(part: ScanPart, values: tuple[int, ...], cache: VolumeCache, scan: ScanConfig) -> ScanSubset:
    pairs = [(case, look) for case, look in part if case.label is not None]
    cases, looks = [case for case, _ in pairs], [look for _, look in pairs]
    fill_cache(cases, looks, scan, cache)
    return ScanSubset(ScanSet(cases, looks, values, cache, scan), np.arange(len(cases)))


def _found(inventory: ScanInventory) -> list[str]:
    notes = []
    for role, part in inventory.parts.items():
        left_out = len(part.listing.cases) - len(part.cases)
        skipped = f", {left_out} unreadable ones left out" if left_out else ""
        notes.append(
            f"{role}: {shown(part.listing.where)} ({part.listing.kind}), {len(part.cases)} scans, "
            f"{part.labeled} labeled{skipped}"
        )
    looks, scan = inventory.parts["train"].looks, inventory.scan
    if scan.intensity == "ct":
        notes.append("intensities from {:.4g} to {:.4g} are mapped to -1 to 1, others clipped".format(*scan.window))
    shapes = np.array([look.placement.shape for look in looks])
    spacing = np.median([look.placement.spacing for look in looks], axis=0)
    extremes = zip(shapes.min(0).tolist(), shapes.max(0).tolist(), strict=True)
    ranges = " x ".join(f"{low}-{high}" if low < high else f"{low}" for low, high in extremes)
    notes.append(
        f"prepared scans have {ranges} voxels of {' x '.join(f'{s:.3g}' for s in spacing)} mm (median), "
        f"patches {' x '.join(map(str, inventory.scan.patch(shapes.shape[1])))}"
    )
    return notes


def _held_note(held: int, kept: int, share: float) -> str:
    if held:
        return f"no validation cases are given: {held} of the {kept} labeled ones are held out for validation"
    if share == 0.0:
        return "no validation cases are given and val_share is 0: nothing is held out, there is no validation"
    return (
        f"no validation cases are given, and {kept} labeled ones are too few to hold one out ({LEAST_LABELED} are "
        "needed): there is no validation"
    )
