"""The command on a report, typed again."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.runs import unsealed
from tutelage import cli, config
from tutelage.config import RunConfig
from tutelage.results.report.repeat import changed_settings, quoted, train_command, train_commands
from tutelage.run import session as sessions
from tutelage.run.method_by_name import resolved
from tutelage.run.resolve import resolve_pretraining, resolve_training
from tutelage.run.run_record import RunRecord


def words_of(command: str) -> list[str]:
    """The words that a shell makes of a command."""
    typed = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], stdout=subprocess.PIPE, check=True)
    return typed.stdout.decode().split("\0")[:-1]


def test_the_command_repeats_the_run_bit_for_bit(run: Path, tmp_path: Path) -> None:
    words = words_of(train_command(RunRecord(run)))
    words[words.index("--out") + 1] = str(tmp_path / "again")
    assert words[0] == "tutelage"
    assert cli.run([*words[1:], "--no-report"]) == 0
    assert not (tmp_path / "again" / "report.html").exists()
    for name in ("metrics.jsonl", "split.json", "result.json"):
        assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes()
    settings = [unsealed(folder / "config.json")["settings"] for folder in (run, tmp_path / "again")]
    assert settings[0] == settings[1]


@pytest.mark.long
def test_the_command_repeats_a_run_and_its_baseline_that_were_planned_from_a_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = sessions.plan_lengths

    def short(*given: Any, **more: Any) -> Any:  # so that it does not depend on the machine
        own, baseline = planned(*given, **more)
        return dataclasses.replace(own, steps=60), dataclasses.replace(baseline, steps=40)

    monkeypatch.setattr(sessions, "plan_lengths", short)
    monkeypatch.setattr(sessions, "timing_limit", lambda budget: 0.3)
    words = ["train", "digits", "--label-count", "40", "--method", "pseudo-label", "--batch-size", "4", "--workers=1"]
    words += ["--device", "cpu", "--budget", "1h", "--baseline", "--train.baseline-share", "0.3", "--no-report"]
    words += ["--network", "wrn-10-1"]
    run, again = tmp_path / "run", tmp_path / "again"
    assert cli.run([*words, "--out", str(run), "--log-every", "20"]) == 0
    record = RunRecord(run)
    assert record.baseline is not None and record.baseline.cfg.train.steps != record.cfg.train.steps
    words = words_of(train_command(record))
    words[words.index("--out") + 1] = str(again)
    assert cli.run([*words[1:], "--no-report"]) == 0
    for name in ("metrics.jsonl", "result.json", "baseline/metrics.jsonl", "baseline/result.json", "verdict.json"):
        assert (again / name).read_bytes() == (run / name).read_bytes(), name
    assert train_command(RunRecord(again)).replace("/again", "/run") == train_command(record)


def test_runs_that_differ_in_the_seed_alone_are_a_loop_that_repeats_each(run: Path, tmp_path: Path) -> None:
    records = []
    for name, seed, threshold, data, processes in (
        ("a b-0", 0, 0.4, "digits", 1),
        ("a b-3", 3, 0.4, "digits", 1),
        ("a b-4", 4, 0.5, "digits", 1),
        ("c", 5, 0.4, "digits", 1),
        ("a b-6", 6, 0.4, "others", 1),
        ("a b-7", 7, 0.4, "digits", 2),
    ):
        folder = Path(shutil.copytree(run, tmp_path / name))
        recorded = unsealed(folder / "config.json")
        recorded["settings"]["train"]["seed"] = seed
        recorded["settings"]["method"]["threshold"] = threshold
        recorded["settings"]["data"]["path"] = data
        recorded["environment"]["processes"] = processes
        (folder / "config.json").write_text(json.dumps(recorded))
        records.append(RunRecord(folder))
    commands = train_commands([*records, records[0]])
    assert len(commands) == 5
    typed = f"tutelage() {{ printf '%s\\0' tutelage \"$@\"; }}\n{commands[0]}"
    words = subprocess.run(["bash", "-c", typed], stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")[:-1]
    first, second = (words_of(train_command(record)) for record in records[:2])
    assert words == [*first, "--seed", "0", *second]
    assert commands[1:] == [train_command(record) for record in records[2:]]


def test_what_is_the_default_is_not_in_the_command(run: Path) -> None:
    command = train_command(RunRecord(run))
    assert "--method fixmatch" in command and "--label-count 78" in command
    assert "--seed" not in command and "optimizer" not in command


def test_a_name_is_quoted_for_a_shell() -> None:
    assert quoted("plain/name") == "plain/name"
    for name in ("a b; rm $x 'y'", "a\nb'c", "-n", "猫"):
        assert words_of(quoted(name)) == [name]


def test_a_run_with_a_supervised_baseline_is_repeated_with_one(run: Path) -> None:
    record = RunRecord(run)
    record.config["settings"]["train"]["baseline"] = True
    assert [word for word in words_of(train_command(record)) if "baseline" in word] == ["--baseline"]
    assert words_of(train_command(record))[-1] != "true"


@pytest.mark.parametrize(
    ("given", "scans"),
    [
        ({"method.name": "moco-v2", "network.name": "resnet-18"}, False),
        ({"method.name": "moco-v2", "network.name": "resnet-18", "network.bn_splits": 8}, False),
        ({"method.name": "moco-v2"}, False),
        ({"method.name": "fixmatch", "network.name": "wrn-28-2"}, False),
        ({"method.name": "mean-teacher", "network.name": "monai:unet", "network.width": 24}, True),
        ({"method.name": "mean-teacher"}, True),
    ],
)
def test_the_settings_in_a_command_give_the_settings_of_the_run(given: dict[str, Any], scans: bool) -> None:
    def typed(values: dict[str, Any]) -> RunConfig:
        if scans:
            return config.resolve(values, preset=config.base_preset(values["method.name"]))
        resolve = resolve_pretraining if values["method.name"].startswith("moco") else resolve_training
        return resolve(values)

    run = resolved(typed({"data.path": "data", "train.steps": 5, **given}))
    changed = {name: value for name, (value, _) in changed_settings(run, from_preset=scans).items()}
    assert resolved(typed({"data.path": "data", **changed})).to_dict() == run.to_dict()
