"""Whether a budget can hold a training on scans at all, told from one scan before all of them are read."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

import torch

from tutelage.config import AUTO, RunConfig
from tutelage.config.settings import seconds
from tutelage.core.errors import DataError
from tutelage.data.scans.formats.files import stored_bytes
from tutelage.data.scans.items import Case, ScanListing
from tutelage.data.scans.patch_choice import choose_patch
from tutelage.data.scans.prepare import Placement, place, prepare
from tutelage.data.scans.reading import read_case
from tutelage.run.budget import LEAST_STEPS, Costs, TooShort, needed_budget
from tutelage.run.build import build_predictor
from tutelage.run.data_modules.scan_costs import patch_voxels, window_time
from tutelage.run.data_modules.scan_scores import QUICK_OVERLAP
from tutelage.run.method_by_name import method_class
from tutelage.tasks.segmentation import Segmentation
from tutelage.tasks.sliding_window import count_windows

_LONG = 30.0  # budgets of more times what reading takes are not looked at: a plan is made once the data is read
_BACKWARD = 3.0  # times a forward pass: a step of training
_QUICK = 0.5  # seconds that a batch of windows may take


def check_forecast(cfg: RunConfig, listings: Mapping[str, ScanListing], device: torch.device) -> None:
    """Refuse a budget that cannot hold the least: reading all scans, ten steps, and the scores of one test scan.

    One scan is read, and windows are predicted. What a method does besides is not foreseen: the plan, made once the
    data is read, may still refuse.

    Raises:
        TooShort: the budget is too short. It names another one, and has the costs.
    """
    cases = [case for listing in listings.values() for case in listing.cases]
    if cfg.train.budget is None or not cases:
        return
    budget, sizes = seconds(cfg.train.budget), [_bytes(case) for case in cases]
    middle = sorted(range(len(cases)), key=sizes.__getitem__)[len(cases) // 2]
    begun = time.monotonic()
    try:
        placement, channels = _first_look(cases[middle], cfg)
    except DataError:  # named by the check
        return
    took = time.monotonic() - begun
    reading = took * sum(sizes) / max(sizes[middle], 1) / max(min(cfg.train.workers, torch.get_num_threads()), 1)
    if budget > _LONG * reading and budget > _LONG * took:
        return
    costs = _costs(cfg, placement, channels, device, reading, scored=len({"val", "test"} & set(listings)) or 1)
    if _least(costs) > budget:
        raise TooShort(costs, needed_budget(costs))


def _bytes(case: Case) -> int:
    return sum(map(stored_bytes, {*case.images, *([] if case.label is None else [case.label])}))


def _first_look(case: Case, cfg: RunConfig) -> tuple[Placement, int]:
    raw = read_case(case, cfg.scan)
    placement = place(raw, cfg.scan)
    prepare(raw, placement, cfg.scan)
    return placement, len(raw.image)


def _costs(
    cfg: RunConfig, placement: Placement, channels: int, device: torch.device, reading: float, *, scored: int
) -> Costs:
    """The least that the parts of the command take: of the cheapest method, with scores of `scored` scans."""
    shape, scan = placement.shape, cfg.scan
    patch = (
        scan.patch(len(shape))
        if scan.patch_size
        else choose_patch([shape], [placement.spacing], patch_voxels(cfg.train, device))
    )
    begun = time.monotonic()
    network = build_predictor(cfg, num_classes=2, channels=channels, image_size=patch, published=False).to(device)
    segmentation = cfg.segmentation
    if segmentation.overlap is None and not segmentation.strides:
        segmentation = dataclasses.replace(segmentation, overlap=QUICK_OVERLAP)
    task = Segmentation(("background", "foreground"), patch_size=patch, cfg=segmentation)
    window = window_time(task, network, channels, _QUICK)
    rows = cfg.train.batch_size
    if cfg.method != AUTO and method_class(cfg.method).unlabeled_views:
        rows += cfg.train.unlabeled_batch
    windows = count_windows(shape, patch, task.strides) * (2 ** len(patch) if segmentation.flips else 1)
    return Costs(
        reading=reading,
        timing=time.monotonic() - begun,
        step=_BACKWARD * window * rows,
        evaluation=0.0,
        closing=scored * window * windows,
        baseline_step=_BACKWARD * window * cfg.train.batch_size if cfg.train.baseline else None,
    )


def _least(costs: Costs) -> float:
    steps = costs.step + (costs.baseline_step or 0.0)
    return costs.fixed + costs.timing + LEAST_STEPS * steps
