"""Reading cases in order: each is read once, in full, and its prepared volume is kept if there is a cache."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from tutelage.config.scan import ScanConfig
from tutelage.core.errors import DataError
from tutelage.core.names import shown
from tutelage.core.third_party import TOO_LARGE
from tutelage.data.images.reading import quiet_pillow
from tutelage.data.scans.items import Case
from tutelage.data.scans.prepare import place, prepare
from tutelage.data.scans.reading import RawCase, read_case
from tutelage.data.scans.scan_set import ScanLook, VolumeCache, case_key

Faults = list[str]
_LARGEST_HALF = 65504.0


def survey_scans(
    cases: Sequence[Case], cfg: ScanConfig, *, cache: VolumeCache | None = None, workers: int = 1
) -> Iterator[ScanLook | Faults]:
    """What each case is, in order, or what is wrong with it.

    Args:
        cache: keeps the prepared volumes, so that files are unpacked once; cases that it holds already are not decoded.
        workers: threads, with one case each in memory; the result does not depend on their number.
    """
    waiting = iter(cases)
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        while block := list(islice(waiting, 4 * max(workers, 1))):
            with quiet_pillow():  # entered here, since warning filters are shared by all threads
                keys = list(pool.map(lambda case: _key(case, cfg), block))
                pairs = zip(reversed(keys), reversed(block), strict=True)
                once = {key: case for key, case in pairs if isinstance(key, str)}  # copies would write the same files
                looks = pool.map(lambda key, case: _look(key, case, cfg, cache), once, once.values())
                found = dict(zip(once, looks, strict=True))
            yield from (found[key] if isinstance(key, str) else key for key in keys)


def fill_cache(cases: Sequence[Case], looks: Sequence[ScanLook], cfg: ScanConfig, cache: VolumeCache) -> None:
    """Prepare those of the cases that the cache does not hold yet.

    Raises:
        DataError: with all faults; files have changed since they were surveyed.
        RunError: the cache cannot be written.
    """
    faults: Faults = []
    for case, look in zip(cases, looks, strict=True):
        if cache.look(look.key) is None:
            found = _look(look.key, case, cfg, cache)
            faults += found if isinstance(found, list) else []
    if faults:
        raise DataError(faults)


def _key(case: Case, cfg: ScanConfig) -> str | Faults:
    try:
        return case_key(case, cfg)
    except DataError as error:
        return error.faults


def _look(key: str, case: Case, cfg: ScanConfig, cache: VolumeCache | None) -> ScanLook | Faults:
    kept = None if cache is None else cache.look(key)
    if kept is not None:
        return kept
    try:
        raw = read_case(case, cfg)
    except DataError as error:
        return error.faults
    except MemoryError:
        return [f"{shown(case.place)} {TOO_LARGE}"]
    try:
        placement = place(raw, cfg)
        prepared = None if cache is None else prepare(raw, placement, cfg)
    except DataError as error:
        return [f"{shown(case.place)} {fault}" for fault in error.faults]
    except MemoryError:
        return [f"{shown(case.place)} {TOO_LARGE}, once it is prepared"]
    look = ScanLook(
        key=key,
        digest=_digest(raw.image),
        label_digest="" if raw.label is None else _digest(raw.label),
        channels=len(raw.image),
        low=float(raw.image.min()),
        high=float(raw.image.max()),
        label_counts=_counts(raw),
        placement=placement,
        warnings=tuple(raw.warnings),
    )
    if cache is not None and prepared is not None:
        image, label = prepared
        if cfg.cache_precision == "float16" and np.abs(image).max() > _LARGEST_HALF:
            return [f"{shown(case.place)}: prepared intensities are too large for scan.cache_precision float16"]
        cache.put(look, image.astype(cfg.cache_precision), label)
    return look


def _counts(raw: RawCase) -> dict[int, int]:
    if raw.label is None:
        return {}
    counts = np.bincount(raw.label.ravel(), minlength=256)
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def _digest(array: NDArray) -> str:
    digest = hashlib.blake2b(repr(array.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
