"""How thoroughly networks are scored after training, where the budget has no time for all of it."""

from __future__ import annotations

import dataclasses
from bisect import bisect_right

from tutelage.config.segmentation import OVERLAP, SegmentationConfig
from tutelage.core.names import counted
from tutelage.run.data_modules.scan_costs import ScoringTimes
from tutelage.run.progress import clock

SHARE = 0.25  # of the budget, for the final scores of all trainings of a command
QUICK_OVERLAP = 0.25
_WORTH_IT = 0.9  # of the time for scores: windows overlap less only if that saves more


def fit_scores(cfg: SegmentationConfig, times: ScoringTimes, limit: float) -> tuple[SegmentationConfig, str | None]:
    """The settings with scores that take at most `limit` seconds, and a sentence if that changed them.

    Windows overlap less first; if that does not suffice, fewer cases are scored, at least one of each part. What was
    given is kept.

    Args:
        times: of one training.
    """
    asked = cfg
    if times.closing(cfg) > limit and cfg.overlap is None and not cfg.strides:
        quick = dataclasses.replace(cfg, overlap=QUICK_OVERLAP)
        cfg = quick if times.closing(quick) < _WORTH_IT * times.closing(cfg) else cfg
    cases = max(len(times.val), len(times.test))
    if times.closing(cfg) > limit and cfg.scored_cases is None and cases > 1:
        cfg = dataclasses.replace(cfg, scored_cases=_most_cases(cfg, times, limit, cases))
    return cfg, None if cfg == asked else _said(cfg, asked, times, limit)


def _most_cases(cfg: SegmentationConfig, times: ScoringTimes, limit: float, cases: int) -> int:
    counts = range(1, cases)  # more cases take longer, but for cases of other sizes that are taken instead
    fitting = bisect_right(counts, limit, key=lambda n: times.closing(dataclasses.replace(cfg, scored_cases=n)))
    return max(1, fitting)


def _said(cfg: SegmentationConfig, asked: SegmentationConfig, times: ScoringTimes, limit: float) -> str:
    changes = []
    if cfg.overlap != asked.overlap:
        changes.append(f"windows overlap by {cfg.overlap:g} instead of {OVERLAP:g} (segmentation.overlap)")
    if cfg.scored_cases != asked.scored_cases:
        kept = [
            f"{min(len(part), cfg.scored_cases or len(part))} of {counted(len(part), f'{name} scan')}"
            for name, part in (("validation", times.val), ("test", times.test))
            if part
        ]
        changes.append(f"{' and '.join(kept)} are scored (segmentation.scored_cases)")
    return (
        f"all final scores would take {clock(times.closing(asked))}, more than the {clock(limit)} that they may: "
        f"{', and '.join(changes)}"
    )
