"""How good a model is by labels that it learns from, where nothing else tells: by cross-validation, or by a trial."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEY = "cross_validation"  # in result.json, and in the facts on the data in config.json
BY_TRIAL = "a trial of the fine-tuning"
BY_HEAD = "cross-validation of the head that fine-tuning started from"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A score on labels that the run learns from. It is no test score.

    Attributes:
        method: what was scored.
        metric: "accuracy" or "balanced accuracy".
        value: in [0, 1]; each label was predicted by models that were trained without it.
        standard_error: of `value`, as a share; over the labels.
        labels: the number of labels that were predicted.
        how: how it was computed, in words.
        by: what computed it: cross-validation, `BY_TRIAL`, or `BY_HEAD`.
    """

    method: str
    metric: str
    value: float
    standard_error: float
    labels: int
    how: str
    by: str = "cross-validation"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dataclasses.asdict(self)

    @staticmethod
    def in_facts(facts: Mapping[str, Any] | None) -> Estimate | None:
        """The one recorded in result.json, or in the facts of config.json, if any."""
        recorded = (facts or {}).get(KEY)
        return None if recorded is None else Estimate(**recorded)

    @property
    def perfect(self) -> bool:
        """Whether all labels were predicted right, each time."""
        return round(self.value, 9) >= 1.0

    @property
    def sentence(self) -> str:
        """What it says, in words that nobody takes for a test score."""
        error = "no mistake" if self.perfect else f"standard error {100 * self.standard_error:.1f} points"
        return (
            f"about {100 * self.value:.0f}% {self.metric} by {self.by} on {self.labels} labels ({error}): "
            "an estimate, not a test score"
        )
