from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import tutelage
from support.starter import Starter
from tutelage import cli, config
from tutelage.core.errors import ConfigError
from tutelage.results.verdict.verdict import judge, read_verdict
from tutelage.run.baseline import baseline_config, check_baseline, own_budget

BRIEF = ["--label-count", "40", "--steps", "4", "--batch-size", "4", "--device", "cpu", "--workers", "1", "--no-report"]


def settings(**given: object) -> config.RunConfig:
    dotted = {name.replace("__", "."): value for name, value in given.items()}
    return config.resolve({"data.path": "digits", "method.name": "fixmatch", "train.baseline": True} | dotted)


def test_the_baseline_has_all_settings_but_those_of_the_method() -> None:
    cfg = settings(train__budget="10m", train__baseline_share=0.4, train__seed=3, optimizer__lr=0.1)
    cfg = config.RunConfig.from_dict(
        cfg.to_dict() | {"method": {"name": "fixmatch", "threshold": 0.7, "ema_decay": 0.9}}
    )
    baseline = baseline_config(cfg, "10m")
    assert (baseline.method, dict(baseline.method_settings)) == ("supervised", {"ema_decay": 0.9})
    assert (baseline.train.budget, baseline.train.steps, baseline.train.baseline) == ("240s", None, False)
    assert own_budget(cfg.train) == pytest.approx(360.0)
    assert (baseline.data, baseline.optimizer, baseline.network) == (cfg.data, cfg.optimizer, cfg.network)
    assert baseline.train.seed == 3


def test_the_baseline_takes_as_many_steps() -> None:
    baseline = baseline_config(settings(train__steps=50), None)
    assert (baseline.train.budget, baseline.train.steps) == (None, 50)


def test_the_baseline_may_take_another_number_of_steps() -> None:
    baseline = baseline_config(settings(train__steps=50, train__baseline_steps=70), None)
    assert (baseline.train.steps, baseline.train.baseline_steps) == (70, None)
    for wrong in ({"train__budget": "5m"}, {"train__steps": 5, "train__baseline": False}):
        with pytest.raises(ConfigError, match="baseline_steps does nothing without"):
            settings(train__baseline_steps=3, **wrong)
    with pytest.raises(ConfigError, match="must be at least 1"):
        settings(train__steps=5, train__baseline_steps=0)


def test_a_baseline_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="supervised learns from no unlabeled images"):
        check_baseline(settings(method__name="supervised"))
    with pytest.raises(ConfigError, match="the baseline takes as many steps"):
        check_baseline(settings(train__steps=5, train__baseline_share=0.5))
    with pytest.raises(ConfigError, match="share does nothing without"):
        settings(train__baseline=False, train__baseline_share=0.5)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="for one process"):
        check_baseline(settings())


def test_a_run_with_its_baseline_ends_with_a_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "digits", "--out", str(tmp_path / "run"), "--method", "fixmatch", "--baseline", *BRIEF]
    assert cli.run(command) == 0
    verdict = read_verdict(tmp_path / "run")
    assert verdict is not None
    assert (verdict.method, verdict.labels, verdict.seeds, verdict.images) == ("fixmatch", 40, 1, 355)
    assert verdict.headline in capsys.readouterr().out
    mine, theirs = tutelage.Run(tmp_path / "run"), tutelage.Run(tmp_path / "run" / "baseline")
    gain = [run.metrics["test"]["teacher"]["accuracy"] for run in (mine, theirs)]
    assert verdict.gain == pytest.approx(100 * (gain[0] - gain[1]))
    assert (mine.path / "split.json").read_text() == (theirs.path / "split.json").read_text()
    assert judge([(mine.path, theirs.path)]) == verdict

    assert cli.run([*command, "--overwrite", "--seed", "1"]) == 0
    assert json.loads((theirs.path / "config.json").read_text())["settings"]["train"]["seed"] == 1


def test_a_run_that_was_stopped_goes_on_to_its_verdict(starter: Starter, tmp_path: Path) -> None:
    out = tmp_path / "run"
    longer = ["--label-count", "40", "--steps", "40", "--batch-size", "4", "--workers", "1", "--device", "cpu"]
    process = starter.start("-m", "tutelage", "train", "digits", "--out", out, "--baseline", *longer)
    while not (out / "baseline" / "config.json").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    if process.returncode:  # it may have been too fast
        assert process.returncode == 143
        assert f"stopped in the supervised baseline; resume with --resume {out}" in said
        assert read_verdict(out) is None
    assert cli.run(["train", "--resume", str(out), "--no-report"]) == 0
    verdict = read_verdict(out)
    assert verdict is not None
    assert cli.run(["train", "--resume", str(out), "--baseline", "--no-report"]) == 0
    assert read_verdict(out) == verdict


def test_a_baseline_is_refused_where_nothing_could_be_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "few.npz", x=rng.integers(0, 256, (40, 8, 8), np.uint8), y=np.arange(40) % 2)
    command = [
        "train",
        str(tmp_path / "few.npz"),
        "--out",
        str(tmp_path / "run"),
        "--baseline",
        *BRIEF[2:],
        "--method=mean-teacher",
    ]
    assert cli.run(command) == 2
    assert "train.baseline: no labeled images are left to score on" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
