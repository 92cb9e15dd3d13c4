"""Plots of a training run: scores, losses and pseudo-labels over the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from tutelage.results.report import terms
from tutelage.results.report.blocks import Plot
from tutelage.results.report.drawing import RULE, SERIES, SOFT, as_percent, finished, new_figure, short, style
from tutelage.run.run_record import RunRecord

_NETWORKS = {"student": SERIES[1], "teacher": SERIES[0]}
_SHARES = {
    "pseudo/accuracy": ("accuracy, where the true label is known", SERIES[2]),
    "pseudo/share": ("mean weight of an unlabeled image", SERIES[0]),
    "pseudo/entropy": ("evenness over classes", SERIES[3]),
}
_MOST_CLASSES = 40  # lines in a plot of classes


def accuracy_curves(record: RunRecord, name: str) -> Plot | None:
    """The headline of student and teacher on the validation data, or None if there was none."""
    curves = {network: _validation_curve(record, network) for network in _NETWORKS}
    if not any(len(steps) > 1 for steps, _ in curves.values()):
        return None
    with style(name):
        figure = new_figure()
        axes = figure.add_subplot()
        for network, (steps, values) in curves.items():
            if steps:
                axes.plot(steps, values, color=_NETWORKS[network], label=network, marker=_marker(steps), markersize=3.5)
        _shares(axes)
        axes.set_ylim(top=min(1.0, axes.get_ylim()[1]))
        axes.legend(loc="lower right")
        return finished(
            figure,
            name,
            f"{record.headline.title} on the validation {record.headline.item}s",
            f"The student is {terms.STUDENT}, the teacher {terms.TEACHER}. For information only: the final network is "
            "that of the last step.",
        )


def loss_curves(record: RunRecord, prefix: str, titles: Mapping[str, str]) -> list[Plot]:
    """One plot of each logged value that is no pseudo-label figure; of two that are always equal, only the first.

    Args:
        titles: of values whose names do not say what they are.
    """
    plots, drawn = [], []
    for number, key in enumerate(_training_keys(record)):
        steps, values = _training_curve(record, key)
        if len(steps) < 2 or (steps, values) in drawn:
            continue
        drawn.append((steps, values))
        name = f"{prefix}training-{number}"
        with style(name):
            figure = new_figure(height=2.2)
            axes = figure.add_subplot()
            axes.plot(steps, values, color=SERIES[0], marker=_marker(steps), markersize=3.5, linewidth=1.4)
            axes.set_xlim(left=0)
            axes.set_xlabel("step")
            plots.append(finished(figure, name, titles.get(key, key.replace("_", " ")), terms.LOGGED.get(key, "")))
    return plots


def pseudo_label_shares(record: RunRecord, name: str) -> Plot | None:
    """Share, evenness and accuracy of the pseudo-labels over the steps, or None if the method makes none."""
    curves = {key: _training_curve(record, key) for key in _SHARES}
    if not any(len(steps) > 1 for steps, _ in curves.values()):
        return None
    with style(name):
        figure = new_figure()
        axes = figure.add_subplot()
        for key, (steps, values) in curves.items():
            if steps:
                label, color = _SHARES[key]
                axes.plot(steps, values, color=color, label=label, marker=_marker(steps), markersize=3.5)
        _shares(axes)
        axes.set_ylim(-0.02, 1.02)
        figure.legend(loc="outside lower center", ncols=1)
        return finished(
            figure,
            name,
            "Pseudo-labels over time",
            "A pseudo-label is the class that the network itself predicts for an unlabeled image, and learns from. "
            "With a threshold, the weight is the share of images above it. Evenness is 1 if all classes are equally "
            "frequent and 0 if there is only one.",
        )


def class_shares(record: RunRecord, name: str) -> Plot | None:
    """The share of each class among the pseudo-labels; the most and the least frequent class are named."""
    rows = [row for row in record.training if row.get("pseudo/class_share")]
    classes = record.classes
    if len(rows) < 2 or len(classes) > _MOST_CLASSES or len(rows[-1]["pseudo/class_share"]) != len(classes):
        return None
    steps = [row["step"] for row in rows]
    last = rows[-1]["pseudo/class_share"]
    order = sorted(range(len(classes)), key=lambda c: last[c] or 0.0)
    named = {order[0]: SERIES[4], order[-1]: SERIES[0]}
    with style(name):
        figure = new_figure()
        axes = figure.add_subplot()
        for c in [*order[1:-1], order[0], order[-1]]:
            values = [row["pseudo/class_share"][c] for row in rows]
            axes.plot(steps, values, color=named.get(c, SOFT), alpha=1.0 if c in named else 0.45, linewidth=1.2)
        axes.axhline(1 / len(classes), color=SOFT, linestyle=(0, (4, 3)), linewidth=1.0)
        handles = [(short(classes[c]), color) for c, color in named.items()]
        _shares(axes)
        axes.set_ylim(bottom=0.0)
        _legend(axes, [*reversed(handles)])
        return finished(
            figure,
            name,
            "Share of each class among the pseudo-labels",
            "Dashed: equal shares. The legend names the most and the least frequent class at the end. A class that "
            "takes over, or vanishes, is a sign of collapse.",
        )


def accuracy_of_runs(records: Sequence[RunRecord], labels: Sequence[str], name: str) -> Plot | None:
    """The validation headline of several runs over the fraction of training done; colors by `labels`."""
    colors = {label: SERIES[k % len(SERIES)] for k, label in enumerate(dict.fromkeys(labels))}
    curves = []
    for label, record in zip(labels, records, strict=True):
        steps, values = _validation_curve(record, record.evaluated)
        if steps:
            curves.append((label, [step / (record.cfg.train.steps or steps[-1]) for step in steps], values))
    if len(curves) < 2:
        return None
    with style(name):
        figure = new_figure()
        axes = figure.add_subplot()
        for label, parts, values in curves:
            axes.plot(parts, values, color=colors[label], linewidth=1.3, alpha=0.85)
        _shares(axes)
        axes.xaxis.set_major_formatter(as_percent)
        axes.set_xlabel("fraction of training")
        there = dict.fromkeys(label for label, *_ in curves)
        _legend(axes, [(short(label, 34), colors[label]) for label in there])
        score = records[0].headline
        return finished(figure, name, f"{score.title} on the validation {score.item}s", "One line per run.")


def _training_curve(record: RunRecord, key: str) -> tuple[list[int], list[float]]:
    """Steps and values of a logged number, where it was logged."""
    rows = [row for row in record.training if isinstance(row.get(key), int | float)]
    return [row["step"] for row in rows], [float(row[key]) for row in rows]


def _validation_curve(record: RunRecord, network: str) -> tuple[list[int], list[float]]:
    """Steps and values of the headline of `network`, "student" or "teacher"."""
    key = record.headline.key
    rows = [row for row in record.validation if row.get(network, {}).get(key) is not None]
    return [row["step"] for row in rows], [float(row[network][key]) for row in rows]


def _training_keys(record: RunRecord) -> list[str]:
    """The logged numbers that are not about pseudo-labels, in their order."""
    numbers = (key for row in record.training for key, value in row.items() if isinstance(value, int | float))
    return [key for key in dict.fromkeys(numbers) if key != "step" and not key.startswith("pseudo/")]


def _shares(axes: Axes) -> None:
    axes.set_xlabel("step")
    axes.set_xlim(left=0)
    axes.yaxis.set_major_formatter(as_percent)


def _marker(steps: Sequence[int]) -> str | None:
    return "o" if len(steps) < 4 else None


def _legend(axes: Axes, entries: list[tuple[str, str]]) -> None:
    """A legend of (text, color) entries; matplotlib itself would skip labels that start with an underscore."""
    lines = [axes.plot([], [], color=color)[0] for _, color in entries]
    axes.legend(lines, [text for text, _ in entries], loc="best", edgecolor=RULE)
