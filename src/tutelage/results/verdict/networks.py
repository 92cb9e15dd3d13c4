"""Which network of a run stands for it in a comparison: chosen for a run and its baseline by the same rule.

A teacher that averages over too much of a short training lags behind its student. If the lagging one were that of the
baseline, the gain would be inflated by as much.
"""

from __future__ import annotations

from tutelage.core.errors import RunError
from tutelage.run.run_record import RunRecord
from tutelage.run.scored import of_network, read_scored

LAG = 0.01  # of the headline; a network that is further behind does not stand for its run


def better_network(record: RunRecord) -> str:
    """The network with the higher headline, "student" or "teacher", or "" for the evaluated one.

    The evaluated one stands for the run unless the other one is better by more than a point, and by more than one image
    or case.
    """
    others = {name: record.score_of(name) or 0.0 for name in record.networks if name != record.evaluated}
    best = max(others, key=others.__getitem__, default="")
    return best if best and others[best] > record.score + LAG + 1.0 / max(int(record.scores["n"]), 1) else ""


def compared_networks(run: RunRecord, baseline: RunRecord) -> tuple[str, str]:
    """The networks by which a run and its baseline are compared, "" for the evaluated one of each.

    Runs of older versions have no predictions of the other network, so the evaluated ones are compared.
    """
    found = better_network(run), better_network(baseline)
    known = all(_has_predictions(record, name) for record, name in zip((run, baseline), found, strict=True))
    return found if known else ("", "")


def _has_predictions(record: RunRecord, network: str) -> bool:
    item = "label" if record.headline.counted else "case"
    try:
        read_scored(record.path, str(record.part), of_network(item, network))
    except RunError:
        return not network  # what the evaluated network lacks is an error
    return True


def said_of(name: str, record: RunRecord, network: str) -> str:
    """A sentence on which network of a run was compared, or nothing if it is the evaluated one."""
    if not network:
        return ""
    score, own = record.score_of(network) or 0.0, record.score
    return (
        f"{name} is compared by its {network} ({score:.1%}), since its {record.evaluated}, which makes the "
        f"predictions, lags behind ({own:.1%})"
    )
