"""How a time budget is spent: numbers of steps from measured costs, or which budget would hold."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass

from tutelage.config.settings import seconds
from tutelage.core.errors import ConfigError

LEAST_STEPS = 10
EVALUATIONS = 20  # per training, unless `eval_every` is set
LEAST_EVALUATIONS = 4
_SHARE_OF_EVALUATIONS = 0.2  # of a training's time: if evaluations cost more, there are fewer
_SHARE_OF_TIMING = 0.1  # of the budget
_LONGEST_TIMING = 20.0  # seconds
_STARTING = 1.0  # seconds per run for its folder, the first checkpoint and the picture of the views
_SLACK = 0.03  # of the time for steps: checkpoints, log lines, and steps that are slower than those that were timed
_NOISE = 1.2  # by which a suggested budget is longer than what was computed
_MOST_CURES = 3  # named in a message
REPORT_SHARE = 0.1  # of the budget, for the report
REPORT_SECONDS = (4.0, 60.0)  # the least and the most that it gets


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a command takes besides its steps, and what a step takes, in seconds.

    Attributes:
        reading: everything before the timing.
        timing: of steps and evaluations.
        closing: the final scores of one run.
        report: 0 if none is written.
        baseline_step: None without a baseline.
        most: the number of steps beyond which more do not help; None without such a limit.
    """

    reading: float
    timing: float
    step: float
    evaluation: float
    closing: float
    report: float = 0.0
    baseline_step: float | None = None
    most: int | None = None

    @property
    def runs(self) -> int:
        """Trainings of the command."""
        return 1 if self.baseline_step is None else 2

    @property
    def fixed(self) -> float:
        """All but timing, steps and evaluations."""
        return self.reading + self.report + self.runs * (self.closing + _STARTING)


@dataclass(frozen=True)
class Deadline:
    """A budget that has begun to run.

    Attributes:
        begun: when the command began, in seconds of `time.monotonic`.
        text: the budget as it was given, e.g. `"3m"`.
    """

    begun: float
    text: str

    @property
    def seconds(self) -> float:
        """The whole budget."""
        return seconds(self.text)

    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.begun

    def left(self) -> float:
        """Seconds to the end; below 0 after it."""
        return self.seconds - self.spent()


@dataclass(frozen=True)
class Lengths:
    """Steps of a training, and the steps between two of its evaluations; None is a twentieth of the training.

    `seconds` is what the training takes with its evaluations.
    """

    steps: int
    eval_every: int | None
    seconds: float


def timing_limit(budget: float) -> float:
    """Seconds that timing may take in all."""
    return min(_SHARE_OF_TIMING * budget, _LONGEST_TIMING)


def timing_patience(budget: float) -> float:
    """Seconds that timing two steps may take: the first is slower, and would alone make a plan that is too short."""
    return _SHARE_OF_TIMING * budget


def report_limit(budget: float) -> float:
    """Seconds for the report."""
    least, most = REPORT_SECONDS
    return min(max(REPORT_SHARE * budget, least), most)


def plan_lengths(
    budget: float, costs: Costs, *, share: float = 0.0, eval_every: int | None = None
) -> tuple[Lengths, Lengths | None]:
    """The lengths of the training and of its baseline that fill the budget.

    Args:
        budget: in seconds, for the whole command.
        share: of the time for training, for the baseline if there is one.
        eval_every: as in the settings.

    Raises:
        ConfigError: one of them would have fewer than ten steps. The message says which budget would do.
    """
    own, baseline = _lengths(budget, costs, share, eval_every)
    if _too_short(own, baseline):
        raise TooShort(costs, needed_budget(costs, share=share, eval_every=eval_every))
    return own, baseline


def needed_budget(costs: Costs, *, share: float = 0.0, eval_every: int | None = None) -> float:
    """Seconds of a budget that holds, with some room for noise; a longer one leaves more time to timing and report."""
    budget = max(costs.fixed, 1.0)
    while True:
        report = report_limit(budget) if costs.report else 0.0
        then = dataclasses.replace(costs, timing=max(costs.timing, timing_limit(budget)), report=report)
        if not _too_short(*_lengths(budget / _NOISE, then, share, eval_every)):
            return budget
        budget *= 1.02


def _lengths(budget: float, costs: Costs, share: float, eval_every: int | None) -> tuple[Lengths, Lengths | None]:
    left = budget - costs.fixed - costs.timing
    if costs.baseline_step is None:
        return _length(left, costs.step, costs, eval_every), None
    own = _length(left * (1.0 - share), costs.step, costs, eval_every)
    return own, _length(left * share, costs.baseline_step, costs, eval_every)


def _too_short(*lengths: Lengths | None) -> bool:
    return any(one is not None and one.steps < LEAST_STEPS for one in lengths)


def _length(left: float, step: float, costs: Costs, eval_every: int | None) -> Lengths:
    step = step * (1.0 + _SLACK)
    evaluations = evaluations_within(left, costs.evaluation)
    if eval_every is None:
        steps = _capped((left - evaluations * costs.evaluation) / step, costs)
        usual = max(1, steps // EVALUATIONS)
        if costs.evaluation and -(-steps // usual) > evaluations:
            eval_every = max(1, -(-steps // evaluations))  # rounded up: a rest of steps has an evaluation of its own
        each = eval_every or usual
    else:
        steps = _capped((left - costs.evaluation) / (step + costs.evaluation / eval_every), costs)
        each = eval_every
    return Lengths(steps, eval_every, steps * step + -(-steps // each) * costs.evaluation)


def _capped(steps: float, costs: Costs) -> int:
    whole = max(0, int(steps))
    return whole if costs.most is None else min(whole, costs.most)


def evaluations_within(seconds: float, evaluation: float) -> int:
    """How often to evaluate in a training of `seconds`: 20 times, or fewer if that takes too long.

    Args:
        evaluation: seconds per evaluation.
    """
    share = _SHARE_OF_EVALUATIONS * max(seconds, 0.0)
    if evaluation * EVALUATIONS <= share:
        return EVALUATIONS
    return max(LEAST_EVALUATIONS, int(share / evaluation))


class TooShort(ConfigError):
    """A budget does not hold; see `budget_fault`.

    Attributes:
        needed: seconds of a budget that would.
    """

    def __init__(self, costs: Costs, needed: float) -> None:
        super().__init__("train.budget is too short")
        self.costs, self.needed = costs, needed


def budget_fault(
    budget: str, fault: TooShort, *, smaller: str, items: str, baseline: bool, quicker: str | None = None
) -> str:
    """Why a budget does not hold, which one would, and what would be quicker, the most expensive first.

    Args:
        budget: as it was given.
        smaller: the setting that makes a step cheaper, besides the batch.
        items: what is scored, in the plural.
        quicker: what makes the final scores cheaper; by default fewer items.
    """
    costs = fault.costs
    spent = [("reading the data", costs.reading), ("timing", costs.timing)]
    spent += [("the final scores", costs.runs * costs.closing), ("the report", costs.report)]
    parts = [f"{what} {_text(took)}" for what, took in spent if took >= 0.05]
    parts += [f"an evaluation {_text(costs.evaluation)}"] if costs.evaluation >= 0.05 else []
    parts += [f"each of at least {LEAST_STEPS} steps {_text(costs.step)}"]
    if costs.baseline_step is not None:
        parts += [f"and of the baseline {_text(costs.baseline_step)}"]
    steps = LEAST_STEPS * (costs.step + (costs.baseline_step or 0.0))
    cures: list[tuple[float, str]] = [
        (steps, f"lower train.batch_size or {smaller}, or choose a smaller network"),
        (costs.runs * costs.closing, quicker or f"score fewer {items} (--test)"),
        (costs.report, "leave out the report (--no-report)"),
        (costs.reading, f"give fewer {items}"),
    ]
    if baseline:
        cures.append((costs.closing + LEAST_STEPS * (costs.baseline_step or 0.0), "leave out --baseline"))
    told = [cure for took, cure in sorted(cures, key=lambda pair: -pair[0]) if took >= 0.05 * fault.needed]
    or_else = f"; or {', or '.join(told[:_MOST_CURES])}" if told else ""
    return (
        f"train.budget {budget} is too short for the whole command: {', '.join(parts)}. "
        f"--budget {budget_text(fault.needed)} would do{or_else}"
    )


def _text(took: float) -> str:
    return f"{took:.0f} s" if took >= 9.95 else f"{took:.1f} s" if took >= 0.095 else f"{took:.2f} s"


def budget_text(least: float) -> str:
    """A budget of at least `least` seconds, as a user would write it: `"50s"`, `"4m"`, `"3h"`."""
    for unit, name, limit in ((10.0, "s", 120.0), (60.0, "m", 7200.0)):
        whole = math.ceil(least / unit)
        if whole * unit <= limit:
            return f"{whole * int(unit) if name == 's' else whole}{name}"
    return f"{math.ceil(least / 3600.0)}h"
