from __future__ import annotations

import dataclasses
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tutelage
from support.runs import unsealed
from support.starter import Starter
from tutelage import cli, config
from tutelage.core.errors import ConfigError
from tutelage.results.verdict.verdict import judge, read_verdict
from tutelage.run import baseline as baselines
from tutelage.run import session as sessions
from tutelage.run.baseline import baseline_config, check_baseline, end_of_training
from tutelage.run.budget import Costs
from tutelage.run.build import with_decay
from tutelage.run.data_modules.images import ImageModule

BRIEF = ["--label-count", "40", "--steps", "4", "--batch-size", "4", "--device", "cpu", "--workers", "1", "--no-report"]
BRIEF += ["--network.width", "8"]


def settings(**given: object) -> config.RunConfig:
    dotted = {name.replace("__", "."): value for name, value in given.items()}
    return config.resolve({"data.path": "digits", "method.name": "fixmatch", "train.baseline": True} | dotted)


def test_the_baseline_has_all_settings_but_those_of_the_method() -> None:
    cfg = settings(train__budget="10m", train__baseline_share=0.4, train__seed=3, optimizer__lr=0.1)
    cfg = config.RunConfig.from_dict(
        cfg.to_dict() | {"method": {"name": "fixmatch", "threshold": 0.7, "ema_decay": 0.9}}
    )
    planned = dataclasses.replace(cfg.train, steps=300, budget=None, eval_every=30, baseline_steps=200)
    cfg = dataclasses.replace(cfg, train=planned)
    baseline = baseline_config(cfg, {"budget": "10m", "baseline_eval_every": 20})
    assert (baseline.method, dict(baseline.method_settings)) == ("supervised", {"ema_decay": 0.9})
    assert (baseline.train.budget, baseline.train.steps, baseline.train.baseline) == (None, 200, False)
    assert (baseline.train.eval_every, baseline_config(cfg).train.eval_every) == (20, 30)
    assert (baseline.data, baseline.optimizer, baseline.network) == (cfg.data, cfg.optimizer, cfg.network)
    assert baseline.train.seed == 3


def test_the_baseline_takes_as_many_steps() -> None:
    baseline = baseline_config(settings(train__steps=50))
    assert (baseline.train.budget, baseline.train.steps) == (None, 50)


def test_the_baseline_may_take_another_number_of_steps() -> None:
    baseline = baseline_config(settings(train__steps=50, train__baseline_steps=70))
    assert (baseline.train.steps, baseline.train.baseline_steps) == (70, None)
    for wrong in ({"train__budget": "5m"}, {"train__steps": 5, "train__baseline": False}):
        with pytest.raises(ConfigError, match="baseline_steps does nothing without"):
            settings(train__baseline_steps=3, **wrong)
    with pytest.raises(ConfigError, match="must be at least 1"):
        settings(train__steps=5, train__baseline_steps=0)


def test_a_baseline_is_not_fine_tuned_where_its_run_is() -> None:
    cfg = settings(network__name="efficientnet-lite0", train__freeze="all", train__finetune=True, train__steps=600)
    assert cfg.train.finetune and not baseline_config(cfg, {}).train.finetune


def test_a_decay_that_follows_from_the_steps_follows_from_those_of_the_baseline() -> None:
    cfg = settings(train__steps=600, train__baseline_steps=120, method__ema_decay=0.98)
    assert dict(baseline_config(cfg, {"ema_decay": 0.98}).method_settings) == {}
    assert dict(baseline_config(cfg, {}).method_settings) == {"ema_decay": 0.98}
    assert with_decay(baseline_config(cfg, {"ema_decay": 0.98}), 120).method_settings.ema_decay == pytest.approx(0.9)


def test_a_baseline_has_its_time_to_the_end_of_the_budget_or_half_as_long_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = {"budget": "100s", "baseline_seconds": 20.0, "kept_seconds": 8.0}
    for now, end in ((1040.0, 1092.0), (1070.0, 1100.0), (1300.0, 1330.0)):
        monkeypatch.setattr(baselines.time, "monotonic", lambda now=now: now)
        assert end_of_training(plan, begun=1000.0) == pytest.approx(end)
    assert end_of_training({"budget": None}, begun=1000.0) is None


def test_a_baseline_whose_time_is_up_is_scored_as_it_is_and_the_verdict_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(baselines, "end_of_training", lambda plan, begun: begun)
    command = ["train", "digits", "--out", str(tmp_path / "run"), "--method", "fixmatch", "--baseline", *BRIEF]
    assert cli.run(command) == 0
    run = tmp_path / "run"
    result = unsealed(run / "baseline" / "result.json")
    assert (result["step"], result["planned_steps"]) == (1, 4)
    assert "its time is up after step 1 of 4: it is scored as it is" in capsys.readouterr().out
    verdict = read_verdict(run)
    assert verdict is not None
    if verdict.gain > 3.0:
        assert verdict.outcome != "helped" and "short baseline" in [cause.name for cause in verdict.causes]
    for name in ("verdict.json", "baseline/result.json"):
        (run / name).unlink()
    assert cli.run(["train", "--resume", str(run), "--no-report"]) == 0  # killed before it was scored: it goes on
    again = unsealed(run / "baseline" / "result.json")
    assert again["step"] == 4 and "planned_steps" not in again


def test_a_baseline_in_a_budget_is_planned_with_its_run_and_reads_no_data_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loads: list[int] = []
    load = ImageModule.load
    monkeypatch.setattr(ImageModule, "load", lambda *given: (loads.append(1), load(*given))[1])
    out = tmp_path / "run"
    command = ["train", "digits", "--out", str(out), "--method", "fixmatch", "--baseline", "--budget", "1h"]
    command += ["--network", "wrn-10-1"]
    monkeypatch.setattr(sessions, "step_time", lambda *args, **more: 1.0)
    planned = sessions.plan_lengths

    def short(budget: float, costs: Costs, **more: Any) -> Any:
        own, baseline = planned(budget, costs, **more)
        assert baseline is not None and costs.baseline_step == 1.0
        return dataclasses.replace(own, steps=6), dataclasses.replace(baseline, steps=3)

    monkeypatch.setattr(sessions, "plan_lengths", short)
    small = ["--label-count", "40", "--batch-size", "4", "--device", "cpu", "--workers", "1", "--no-report"]
    assert cli.run([*command, *small]) == 0
    assert loads == [1]
    said = capsys.readouterr().out
    assert "3 steps of the supervised baseline fit it, too" in said
    assert said.index("- loading PyTorch") < said.index("- reading the images") < said.index("- timing the first steps")
    mine, theirs = (unsealed(folder / "config.json") for folder in (out, out / "baseline"))
    assert (mine["settings"]["train"]["steps"], theirs["settings"]["train"]["steps"]) == (6, 3)
    assert mine["settings"]["train"]["baseline_steps"] == 3
    assert (mine["plan"]["ema_decay"], theirs["settings"]["method"]["ema_decay"]) == (0.0, 0.0)
    assert read_verdict(out) is not None
    (out / "verdict.json").unlink()
    shutil.rmtree(out / "baseline")
    monkeypatch.undo()
    assert cli.run(["train", "--resume", str(out), "--baseline", "--budget", "1h", "--no-report"]) == 0
    assert unsealed(out / "baseline" / "config.json")["settings"] == theirs["settings"]


def test_a_baseline_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="supervised learns from no unlabeled images"):
        check_baseline(settings(method__name="supervised"))
    with pytest.raises(ConfigError, match="the baseline takes as many steps"):
        check_baseline(settings(train__steps=5, train__baseline_share=0.5))
    with pytest.raises(ConfigError, match="share does nothing without"):
        settings(train__baseline=False, train__baseline_share=0.5)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="needs a single process"):
        check_baseline(settings())


@pytest.mark.usefixtures("by_flags")
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
    assert unsealed(theirs.path / "config.json")["settings"]["train"]["seed"] == 1


@pytest.mark.long
def test_a_run_that_was_stopped_goes_on_to_its_verdict(starter: Starter, tmp_path: Path) -> None:
    out = tmp_path / "run"
    longer = ["--label-count", "40", "--steps", "40", "--batch-size", "4", "--workers", "1", "--device", "cpu"]
    longer += ["--network.width", "8"]
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
    assert "--baseline: no labeled images are left to score on" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
