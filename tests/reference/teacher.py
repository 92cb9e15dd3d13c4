"""The moving average of Mean Teacher as a loop over steps, in float64."""

from __future__ import annotations

from collections.abc import Sequence


def teacher_weight(start: float, students: Sequence[float], decay: float, *, warmup: bool) -> float:
    """One weight of the teacher after the students' weights of steps 1, 2, ... were taken in."""
    teacher = start
    for step, student in enumerate(students, start=1):
        alpha = min(1 - 1 / (step + 1), decay) if warmup else decay
        teacher = alpha * teacher + (1 - alpha) * student
    return teacher
