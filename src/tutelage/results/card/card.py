"""The text of a model card."""

from __future__ import annotations

import inspect
from typing import Any

from tutelage.core.intervals import interval, share_interval
from tutelage.core.names import counted, shown
from tutelage.core.version import __version__
from tutelage.inference.export.bundle import BUNDLE
from tutelage.inference.export.folder import HUB
from tutelage.networks.licenses import backbone_licenses
from tutelage.results.card.head import head_of
from tutelage.results.card.limits import limits_of
from tutelage.results.report.repeat import changed_settings, quoted, train_command
from tutelage.run.calibrated import calibration_said
from tutelage.run.method_by_name import method_class
from tutelage.run.run_record import RunRecord

_PLACES = {  # what stands for each path in the command that repeats the run: no names of data leave the house
    "data": {"path": "DATA", "labels": "LABELS.csv", "unlabeled": "UNLABELED", "val": "VALIDATION", "test": "TEST"},
    "scan": {"cache": "CACHE", "crop_masks": "MASKS"},
    "network": {"weights": "WEIGHTS"},
    "train": {"init_from": "RUN"},
}
_SECTIONS = ("network", "augment", "scan", "segmentation")


def card_of(record: RunRecord, format: str = HUB) -> str:
    """The card as Markdown with a YAML head. It has counts and class names, and no names of files or folders.

    Args:
        format: of the folder that it lies in.
    """
    licenses = backbone_licenses(record.cfg.network)
    sections = [
        f"# {_title(record)}",
        _what(record, licenses),
        "## How good it is\n\n" + _scores(record),
        "## What it must not be used for\n\n" + "\n".join(f"- {line}" for line in limits_of(record)),
        "## What it learned from\n\n" + _data(record),
        "## How it was trained\n\n" + _training(record),
        "## How to use it\n\n" + (_use_of_bundle() if format == BUNDLE else _use(record)),
    ]
    return head_of(record, licenses) + "\n\n" + "\n\n".join(sections) + "\n"


def _title(record: RunRecord) -> str:
    if record.pretrained or not record.classes:
        return "An image encoder"
    names = ", ".join(_plain(name) for name in record.classes[:4]) + (", ..." if len(record.classes) > 4 else "")
    return f"{'A segmenter of scans' if record.kind.name == 'scans' else 'An image classifier'}: {names}"


def _what(record: RunRecord, licenses: dict[str, str]) -> str:
    size = record.kind.size_of(record.data)
    sides = (size, size) if isinstance(size, int) else size
    shape = " x ".join(map(str, sides))
    source = "random weights"
    if licenses:
        source = "published weights of " + ", ".join(f"{_plain(n)} (license: {_plain(x)})" for n, x in licenses.items())
    lines = [
        f"Network: {_plain(record.cfg.network.name)}, from {source}; {record.kind.network_inputs} of {shape}, "
        f"{counted(int(record.data['channels']), 'channel')}."
    ]
    if record.classes and not record.pretrained:
        lines.append(f"Classes, in the order of the probabilities: {', '.join(_plain(c) for c in record.classes)}.")
    if not licenses:
        lines.append("The license of these weights is for those who trained them to state.")
    return "\n\n".join(lines)


def _scores(record: RunRecord) -> str:
    if not record.scored:
        if record.result is not None and (estimate := record.estimate) is not None:
            return f"{estimate.sentence[:1].upper()}{estimate.sentence[1:]}. Nothing else was scored."
        return "No score: nothing outside the training was labeled."
    scores, n, part = record.scores, int(record.scores["n"]), str(record.part)
    items = counted(n, f"{part} {record.headline.item}")
    rows = [_headline_row(record, n), *_more_rows(scores)]
    table = "\n".join(["| score | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])
    per_class = _class_rows(scores) if record.kind.name == "images" else _dice_rows(scores)
    first = f"On {items}, of the network of the last step; none was selected by them."
    said = None if record.result is None else calibration_said(record.result)
    calibrated = [] if said is None else [f"The {said}."]
    return "\n\n".join([first, table, *calibrated, *per_class])


def _headline_row(record: RunRecord, n: int) -> tuple[str, str]:
    name, value = record.headline.title, record.score
    if record.kind.name == "images":
        low, high = share_interval(value, n)
        return name, f"{value:.1%} (95% interval {100 * low:.1f} to {100 * high:.1f}, n = {n:,})"
    known = [case["dice"] for case in record.scores["per_case"] if case["dice"] is not None]
    half = interval(known).half_width if known else None
    spread = "" if half is None else f"95% interval ± {100 * half:.1f}, "
    return name, f"{value:.1%} ({spread}n = {n:,})"


def _more_rows(scores: dict[str, Any]) -> list[tuple[str, str]]:
    forms = {
        "balanced_accuracy": ("balanced accuracy", "{:.1%}"),
        "ece": ("calibration error (ECE, 15 bins)", "{:.1%}"),
        "nll": ("negative log-likelihood", "{:.3f}"),
        "hd95_pooled_mm": ("HD95, pooled (mm)", "{:.1f}"),
        "asd_to_reference_mm": ("mean distance to the reference (mm)", "{:.2f}"),
        "effective_rank": ("effective rank of the features", "{:.1f}"),
    }
    return [(title, form.format(scores[key])) for key, (title, form) in forms.items() if scores.get(key) is not None]


def _class_rows(scores: dict[str, Any]) -> list[str]:
    if "per_class" not in scores:
        return []
    lines = ["| class | found (recall) | right where named (precision) | n |", "|---|---|---|---|"]
    for name, row in scores["per_class"].items():
        recall, precision = (("–" if row[key] is None else f"{row[key]:.1%}") for key in ("recall", "precision"))
        lines.append(f"| {_plain(name)} | {recall} | {precision} | {row['support']:,} |")
    return ["\n".join(lines)]


def _dice_rows(scores: dict[str, Any]) -> list[str]:
    lines = ["| class | Dice (std) | n |", "|---|---|---|"]
    for name, row in scores["per_class"].items():
        dice = row["dice"]
        said = "–" if dice["mean"] is None else f"{dice['mean']:.1%} ({100 * (dice['std'] or 0.0):.1f})"
        lines.append(f"| {_plain(name)} | {said} | {dice['cases']} |")
    return ["\n".join(lines)]


def _data(record: RunRecord) -> str:
    if record.imported:
        return "The weights were imported; what they learned from is not known."
    pool, held = record.headline.pool, len(record.split["held_out"])
    parts = record.data.get("parts", {})
    if record.pretrained:
        used = "labels, where there were any, only measured its features"
        return f"{record.unlabeled:,} {pool} without their labels; {used}. The data is not part of this model."
    counts = [f"{record.labels:,} labels" + (f", of which {held:,} were held out" if held else "")]
    counts.append(f"{record.without_label:,} unlabeled {pool}" if record.unlabeled else f"no unlabeled {pool}")
    counts += [f"{part['images']:,} {role} {pool}" for role, part in parts.items() if role in ("val", "test")]
    return f"{'; '.join(counts)}. The data is not part of this model."


def _training(record: RunRecord) -> str:
    if record.imported:
        return "The weights were imported from other code."
    about = (inspect.getdoc(method_class(record.method)) or record.method).partition("\n")[0]
    names = _places(record)
    changed = changed_settings(record.cfg, from_preset=record.kind.from_preset)
    settings = [f"`{name} = {_plain(names.get(str(value), str(value)))}`" for name, (value, _) in changed.items()]
    return "\n\n".join(
        [
            f"Method: {_plain(record.method)}. {_plain(about)}",
            f"{record.steps_done:,} steps with tutelage {shown(record.config['environment']['tutelage'])}. "
            "This command repeats it on the same data:",
            f"```\n{_command(record, names)}\n```",
            f"Settings other than the defaults: {', '.join(settings)}.",
        ]
    )


def _command(record: RunRecord, names: dict[str, str]) -> str:
    """The command of the run, without its name."""
    return train_command(record, names).replace(f"--out {quoted(f'runs/{record.name}')}", "--out RUN", 1)


def _places(record: RunRecord) -> dict[str, str]:
    """A word in capitals for each path that the settings name."""
    settings = record.settings
    found = {
        settings.get(section, {}).get(name): word for section, names in _PLACES.items() for name, word in names.items()
    }
    return {path: word for path, word in found.items() if isinstance(path, str) and path != "digits"}


def _use(record: RunRecord) -> str:
    asked = {"image-encoder": "embed"}.get(_kind(record), "predict")
    out = {"scans": ', out="masks/"'}.get(record.kind.name, "")
    return "\n".join(
        [
            "```python",
            "import tutelage",
            "",
            'model = tutelage.load("FOLDER")  # this folder, or its name on the hub',
            f'model.{asked}("NEW"{out})',
            "```",
            "",
            f"Written by tutelage {__version__}.",
        ]
    )


def _use_of_bundle() -> str:
    return "\n".join(
        [
            "In this folder, with MONAI, nibabel, and fire:",
            "",
            "```",
            "python -m monai.bundle run --config_file configs/inference.json --dataset_dir SCANS --output_dir MASKS",
            "```",
            "",
            f"Written by tutelage {__version__}.",
        ]
    )


def _kind(record: RunRecord) -> str:
    return "image-encoder" if record.pretrained or not record.classes else record.kind.name


def _plain(text: str) -> str:
    """Text from outside without what Markdown, HTML, or a table would take for its own."""
    safe = shown(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{c}" if c in "\\`*_[]|#" else c for c in safe)
