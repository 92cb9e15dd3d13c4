"""Weights and learning rates as pure functions of the step: nothing to save, nothing to resume.

Each returns a factor; `step` is the number of optimizer steps done. Formulas and sources: `docs/schedules.md`.
"""

from __future__ import annotations

import math


def sigmoid_rampup(step: float, length: float) -> float:
    """exp(-5 (1 - min(step, length) / length)^2): 0.0067 at 0, 1 from `length` on (Laine & Aila 2017).

    With a `length` of 0 it is always 1.
    """
    if length <= 0:
        return 1.0
    return math.exp(-5.0 * (1.0 - min(max(step, 0.0), length) / length) ** 2)


def stairs(step: float, length: float, count: int) -> float:
    """`step`, rounded down to one of `count` equal stairs below `length`; unchanged from `length` on."""
    return step if length <= 0 or step >= length else length * (step * count // length) / count


def linear_rampup(step: float, length: float) -> float:
    """min(step / length, 1); always 1 with a `length` of 0."""
    return 1.0 if length <= 0 else min(max(step, 0.0) / length, 1.0)


def sigmoid_rampdown(step: float, total: float, length: float) -> float:
    """exp(-12.5 (1 - (total - step) / length)^2) over the last `length` steps, 1 before (Mean Teacher, TensorFlow)."""
    left = total - step
    if length <= 0 or left >= length:
        return 1.0
    return math.exp(-12.5 * (1.0 - max(left, 0.0) / length) ** 2)


def half_cosine(step: float, length: float) -> float:
    """(cos(pi step / length) + 1) / 2: 1 at 0, 0 from `length` on (Mean Teacher, PyTorch)."""
    return 0.5 * (math.cos(math.pi * min(max(step, 0.0) / length, 1.0)) + 1.0)


def seven_sixteenths_cosine(step: float, total: float) -> float:
    """cos(7 pi step / (16 total)): 1 at 0, 0.195 at the end; it never reaches 0 (FixMatch)."""
    return math.cos(7.0 * math.pi * min(max(step, 0.0) / total, 1.0) / 16.0)


RAMPS = {"sigmoid": sigmoid_rampup, "linear": linear_rampup}
