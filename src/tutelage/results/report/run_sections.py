"""The sections of a report about one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tutelage.core.names import enumerated, shown
from tutelage.core.wording import command, option
from tutelage.results.report import curves, terms
from tutelage.results.report.blocks import (
    Block,
    Cell,
    Code,
    Picture,
    Plot,
    Section,
    Table,
    Text,
)
from tutelage.results.report.examples import Looked
from tutelage.results.report.findings import finding, guess_finding
from tutelage.results.report.kinds import SECTIONS
from tutelage.results.report.places import data_names, run_names
from tutelage.results.report.repeat import changed_settings, flat, quoted, train_command, train_commands
from tutelage.results.report.scores import feature_tiles
from tutelage.results.verdict.verdict import Verdict
from tutelage.run.run_record import RunRecord

_MOST_NOTES = 20


def title_of(record: RunRecord) -> str:
    """The method and the data."""
    return f"{record.method} on {shown(Path(record.cfg.data.path).name or record.cfg.data.path)}"


def subtitle_of(record: RunRecord) -> str:
    """What the run learned from."""
    pool = record.headline.pool
    unlabeled = f", {record.without_label:,} unlabeled {pool}" if record.unlabeled else f", no unlabeled {pool}"
    held = len(record.split["held_out"])
    held_out = f" ({held:,} of them held out)" if held else ""
    of = "" if record.result else f" of {record.cfg.train.steps:,}"
    return (
        f"{record.labels:,} labels{held_out}{unlabeled} · {len(record.classes)} classes · "
        f"{record.steps_done:,}{of} steps · seed {record.cfg.train.seed} · {shown(run_names([record])[0])}"
    )


def run_sections(
    record: RunRecord,
    looked: Looked,
    verdict: Verdict | None,
    drawn: Section | None = None,
    *,
    alone: bool = True,
    prefix: str = "",
) -> list[Section]:
    """All sections, the most important first.

    Args:
        drawn: the map of the images, if there is one.
        alone: whether the page is about this run only.
        prefix: start of the names of this run's plots.
    """
    sections = [_summary(record, verdict, alone)]
    sections += _learning(record, prefix)
    sections += _pseudo_labels(record, prefix)
    sections += SECTIONS[record.kind.name].score_sections(record, looked, prefix)
    if drawn is not None:
        sections.append(drawn)
    if looked.missing:
        text = f"Calibration, mistakes and thumbnails need the data and the weights of the run. {looked.missing}"
        sections.append(Section("Images", (Text(text, muted=True),)))
    views = record.path / "views.png"
    if views.exists():
        picture = Picture(
            f"{prefix}views",
            views.read_bytes(),
            f"Training {record.headline.pool} under the random views of the method.",
        )
        sections.append(Section("Augmented views", (picture,)))
    return [*sections, *_how_it_was_made(record)]


def _summary(record: RunRecord, verdict: Verdict | None, alone: bool) -> Section:
    blocks: list[Block] = []
    if verdict is not None:
        blocks.append(finding(verdict, verdict.headline[:1].upper() + verdict.headline[1:]))
        blocks += [Text(remark, muted=True) for remark in verdict.remarks]
    elif (found := guess_finding(record)) is not None:
        blocks.append(found)
    if record.result is None:
        blocks.append(
            Text(
                f"This run is not finished: {record.steps_done:,} of {record.cfg.train.steps:,} steps are logged. "
                f"Resume it with: {command('train', resume=shown(str(record.path)))}"
            )
        )
    elif not record.scored or record.part is None:
        pool = record.headline.pool
        none = f"No labeled {pool} were left to score on"
        if (estimate := record.estimate) is None:
            blocks.append(Text(f"{none}, so there is no score for this model."))
        else:
            said = estimate.sentence
            blocks.append(Text(f"{said[:1].upper()}{said[1:]}."))
            blocks.append(Text(f"{none}. The estimate: {estimate.method}, {estimate.how}.", muted=True))
    else:
        others = {name: scores for name, scores in record.networks.items() if name != record.evaluated}
        if record.pretrained:
            text = (
                f"No labels were used for training. {command('probe')} compares these features with those of random "
                "weights."
            )
            tiles = feature_tiles(record.scores, record.part, others)
            return Section("Result", (*blocks, tiles, Text(text, muted=True)))
        score = record.scores[record.headline.key]
        baseline = None if verdict is None or verdict.seeds > 1 else _baseline_score(verdict, score)
        blocks.append(SECTIONS[record.kind.name].score_tiles(record.scores, record.part, others, baseline))
        is_what = terms.NETWORKS[record.evaluated]
        text = f"These are the scores of the {record.evaluated} ({is_what}) after the last step; nothing was selected."
        blocks.append(Text(text, muted=True))
    if (kept := RunRecord(record.home).kept) is not None:
        model = "the fine-tuned network" if kept["kept"] == "finetuned" else "the head on the frozen network"
        blocks.append(Text(f"Kept: {model}, since {shown(kept['reason'])}.", muted=True))
    if alone and verdict is None and record.unlabeled and not record.pretrained:
        blocks.append(
            Text(
                f"One run cannot show whether its unlabeled {record.headline.pool} helped: train with "
                f"{option('baseline', True)}, or train a second run with {option('method', 'supervised')} and report "
                "both.",
                muted=True,
            )
        )
    return Section("Result", tuple(blocks))


def _baseline_score(verdict: Verdict, score: float) -> float:
    """The baseline's; verdicts of older versions have the gain only."""
    return score - verdict.gain / 100.0 if verdict.baseline_score is None else verdict.baseline_score


def _learning(record: RunRecord, prefix: str) -> list[Section]:
    accuracy = curves.accuracy_curves(record, f"{prefix}accuracy")
    losses = curves.loss_curves(record, prefix, SECTIONS[record.kind.name].LOGGED)
    blocks: list[Block] = []
    if accuracy is not None:
        blocks.append(accuracy)
    elif losses:
        what = record.headline
        blocks.append(Text(f"There were no validation {what.pool}, so there is no {what.words} curve.", muted=True))
    return [Section("Learning curves", (*blocks, *losses))] if blocks or losses else []


def _pseudo_labels(record: RunRecord, prefix: str) -> list[Section]:
    made = (
        curves.pseudo_label_shares(record, f"{prefix}pseudo-labels"),
        curves.class_shares(record, f"{prefix}pseudo-classes"),
    )
    plots: tuple[Plot, ...] = tuple(plot for plot in made if plot is not None)
    return [Section("Pseudo-labels", plots)] if plots else []


def how_they_were_made(records: Sequence[RunRecord]) -> list[Section]:
    """The commands of runs without chapters, and data and versions if they are the same for all."""
    names = data_names(records)
    commands = Code("\n".join(train_commands(records, names)))
    sections = [Section("How to reproduce them", (*_typed_where(names), commands), folded=True)]
    if len({repr((r.data["fingerprint"], r.config["environment"])) for r in records}) == 1:
        sections.append(_data_and_versions(records[0], notes=[]))
    return sections


def _how_it_was_made(record: RunRecord) -> list[Section]:
    run = quoted(f"runs/{record.name}")
    next_words = f"To score it, or to predict new {record.headline.pool}:"
    out = SECTIONS[record.kind.name].OUT
    next_step = f"tutelage evaluate {run} DATA\ntutelage predict {run} NEW --out {out}"
    if record.pretrained:
        next_words = "To evaluate its features, or to train from it:"
        next_step = f"tutelage probe {run} DATA\ntutelage train DATA --out runs/after --init-from {run}"
    names = data_names([record])
    repeat: tuple[Block, ...] = (
        *_typed_where(names),
        Text(
            "With the same data and versions, this command trains in the same way, for as many steps as fit:"
            if record.home != record.path
            else "With the same data and versions, this command gives the same run:"
        ),
        Code(train_command(record, names)),
        Text(next_words),
        Code(next_step),
    )
    return [
        Section("How to reproduce it", repeat),
        _data_and_versions(record, notes=record.data.get("notes", [])),
        Section("Settings", (_settings(record),), folded=True),
    ]


def _typed_where(names: Mapping[str, str]) -> tuple[Text, ...]:
    """Where a command is typed that names the data by short names; nothing if it names none."""
    if not names:
        return ()
    inside = sorted({Path(name).parts[0] for name in names.values()})
    return (Text(f"Run it in the folder that holds {enumerated([shown(name) for name in inside])}.", muted=True),)


def _data_and_versions(record: RunRecord, *, notes: Sequence[object]) -> Section:
    data, environment = record.data, record.config["environment"]
    facts = [("data fingerprint", data["fingerprint"])]
    facts += [(f"{role} {record.headline.pool}", f"{part['images']:,}") for role, part in data.get("parts", {}).items()]
    size = record.kind.size_of(data)
    sides = (size, size) if isinstance(size, int) else size
    facts += [(record.kind.network_input, " x ".join(map(str, (data["channels"], *sides))))]
    facts += [(f"{name}", str(value)) for name, value in environment.items()]
    table = Table(("", "value"), tuple((Cell(name), Cell(shown(value), mono=True)) for name, value in facts), texts=2)
    found = tuple(Text(shown(str(note)), muted=True) for note in notes[:_MOST_NOTES])
    return Section("Data and versions", (table, *found), folded=True)


def _settings(record: RunRecord) -> Table:
    changed = changed_settings(record.cfg, from_preset=record.kind.from_preset)
    rows = []
    for name, value in flat(record.cfg.to_dict()).items():
        default = changed[name][1] if name in changed else None
        note = f"default {default}" if name in changed and default != value else ""
        rows.append((Cell(name, mono=True), Cell(shown(str(value)), mono=True), Cell(shown(note))))
    return Table(("setting", "value", ""), tuple(rows), "The third column shows the default if it differs.", texts=3)
