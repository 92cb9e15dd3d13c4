"""Why unlabeled images did not help: the reasons that the rules find, the likeliest first.

Their strengths order them: first what makes the comparison meaningless (wrong labels, other images), then what follows
from that (no pseudo-labels), then what only limits a gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tutelage.core.ema import slowest_decay
from tutelage.core.wording import named, option
from tutelage.results.verdict.evidence import Evidence
from tutelage.results.verdict.networks import better_network
from tutelage.results.verdict.reason import Reason
from tutelage.results.verdict.remedies import from_scratch, shrunk_images
from tutelage.results.verdict.rules import RULES, too_few_steps
from tutelage.run.run_record import RunRecord

MOST_REASONS = 3
ALONE = (from_scratch, shrunk_images, too_few_steps)  # the rules that look at a run alone
DOUBT = 0.9  # strength of a reason at which a gain no longer shows that unlabeled images helped


def diagnose(cases: Sequence[Evidence]) -> tuple[Reason, ...]:
    """The likeliest reasons, at most three: those found in most `cases` (one per seed) first, then the strongest."""
    found: dict[str, list[Reason]] = {}
    for case in cases:
        for rule in RULES:
            reason = rule(case)
            if reason is not None:
                found.setdefault(reason.name, []).append(reason)
    order = sorted(found.values(), key=lambda reasons: -sum(reason.strength for reason in reasons))
    return tuple(_strongest(reasons, len(cases)) for reasons in order[:MOST_REASONS])


def remedies(run: RunRecord) -> tuple[Reason, ...]:
    """What would raise the score of a run that was not compared with a baseline, what helps the most first."""
    case = Evidence(run, run)  # these rules look at the run only
    found = [reason for rule in ALONE if (reason := rule(case)) is not None]
    return tuple(sorted(found, key=lambda reason: -reason.strength)[:MOST_REASONS])


def _strongest(reasons: Sequence[Reason], cases: int) -> Reason:
    """The strongest of one rule's reasons, with the number of seeds that it was found for."""
    reason = max(reasons, key=lambda reason: reason.strength)
    if cases == 1:
        return reason
    seeds = f"{len(reasons)} of {cases} seeds" if len(reasons) < cases else f"all {cases} seeds"
    return replace(reason, evidence=f"{reason.evidence} (in {seeds}; the numbers are from one of them)")


def short_baseline(cases: Sequence[Evidence]) -> Reason | None:
    """Doubt about a gain over baselines that had not learned their labels by the end, or were ended early."""
    for baseline in (case.baseline for case in cases):
        if "planned_steps" in baseline.final:
            return Reason(
                "short baseline",
                f"the supervised baseline ran out of time after {baseline.final['step']} of "
                f"{baseline.final['planned_steps']} steps, so the gain may only mean a faster start",
                "a larger --budget",
                DOUBT,
            )
    losses = [case.baseline.mean("supervised", since=0.8) for case in cases]
    known = [loss for loss in losses if loss is not None]
    first = cases[0]
    if not known or sum(known) / len(known) <= first.headline.learned * first.ignorance:
        return None
    steps = max(case.baseline.steps for case in cases)
    return Reason(
        "short baseline",
        f"supervised training had not learned its labels after {steps} steps (loss {sum(known) / len(known):.2f}; "
        f"{first.clueless} gives {first.ignorance:.2f}), so the gain may only mean a faster start",
        f"train longer, e.g. {option('steps', 3 * steps)} or a larger {named('budget')}",
        DOUBT,
    )


def lagging_baseline(cases: Sequence[Evidence], networks: Sequence[tuple[str, str]]) -> Reason | None:
    """Doubt about a gain over a baseline whose teacher lags behind, where only the teacher's predictions are there.

    Args:
        networks: that were compared, of each case's run and baseline; "" is the evaluated one.
    """
    for case, (_, compared) in zip(cases, networks, strict=True):
        baseline, other = case.baseline, better_network(case.baseline)
        if other and not compared:
            return Reason(
                "lagging baseline",
                f"the {baseline.evaluated} of the supervised baseline lags behind its {other} ({baseline.score:.1%} to "
                f"{baseline.score_of(other) or 0.0:.1%}), so the true gain may be smaller",
                f"a larger {named('budget')}, or {option('method.ema_decay', slowest_decay(baseline.steps))}",
                DOUBT,
            )
    return None
