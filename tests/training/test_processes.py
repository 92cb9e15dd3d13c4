"""Two processes under torchrun train what one trains."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from support import two_processes
from support.runs import checkpoints, cut_back, unsealed
from support.starter import Starter
from tutelage import cli
from tutelage.core.batch import Batch
from tutelage.data.images.loader import ImageLoader

pytestmark = pytest.mark.long

COMMAND = Path(sys.executable).with_name("tutelage")
SETTINGS = {
    "label-count": 600,
    "batch-size": 8,
    "steps": 16,
    "log-every": 3,
    "eval-every": 6,
    "checkpoint-every": 5,
    "workers": 1,
    "network": "wrn-10-1",
}
ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def torchrun(*tokens: str | Path) -> subprocess.Popen[str]:
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={free_port()}"]
    return subprocess.Popen(
        [*start, *map(str, tokens)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ALONE,
    )


def train(run: Path, **more: Any) -> list[str | Path]:
    given = SETTINGS | {name.replace("_", "-"): value for name, value in more.items()}
    flags = (f"--{name}={value}" for name, value in given.items() if value is not None)
    return [COMMAND, "train", "digits", *flags, "--out", run]


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, error = process.communicate(timeout=120)
    return process.returncode, out, error


def content(run: Path) -> dict[str, bytes]:
    newest = checkpoints(run)[-1]["file"]
    files = [run / "checkpoints" / newest, run / "metrics.jsonl", run / "result.json"]
    return {file.name: file.read_bytes() for file in files}


def as_rank(rank: str, port: str) -> dict[str, str]:
    """The environment that torchrun gives to one of two processes."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2"}
    return ALONE | place | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}


def two_ranks(starter: Starter, *words: object) -> None:
    """Run `python WORDS` as torchrun would, which takes seconds more to start; it is used in slow tests."""
    port = str(free_port())
    both = [starter.start(*words, env=as_rank(rank, port)) for rank in ("0", "1")]
    for process in both:
        _, error = process.communicate()
        assert process.returncode == 0, error


@pytest.fixture(scope="module")
def whole(starter: Starter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes that nothing interrupts."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    two_ranks(starter, "-m", "tutelage", *train(run)[1:])
    return run


def test_two_processes_write_one_run_that_a_single_one_can_use(whole: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [(row["step"], row["kind"]) for row in rows] == [
        (3, "training"),
        (6, "training"),
        (6, "validation"),
        (9, "training"),
        (12, "training"),
        (12, "validation"),
        (15, "training"),
        (16, "training"),
        (16, "validation"),
    ]
    assert unsealed(whole / "config.json")["environment"]["processes"] == 2
    assert {"student", "teacher"} <= set(unsealed(whole / "result.json")["test"])
    assert cli.run(["evaluate", str(whole), "digits"]) == 0


METHODS = ("supervised", "mean-teacher", "temporal-ensembling")
Losses = dict[str, list[dict[str, float]]]


OUTPUTS = {"predict": "csv", "embed": "npz", "evaluate": "json"}


def used(run: Path, folder: Path, command: str) -> list[str]:
    """The command that writes its output for the digits to a folder."""
    return [command, str(run), "digits", "--out", str(folder / f"{command}.{OUTPUTS[command]}")]


@pytest.fixture(scope="module")
def together(whole: Path, starter: Starter, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], Losses]:
    """What two processes make: runs from `whole` with a backbone frozen for so long, and the losses of each method."""
    folder = tmp_path_factory.mktemp("together")
    runs = {freeze: folder / freeze for freeze in ("0.75", "all")}
    brief = {"init-from": whole, "steps": 4, "checkpoint_every": 1, "label_count": 100}
    commands = [[str(w) for w in train(run, **brief, **{"train.freeze": name})[1:]] for name, run in runs.items()]
    commands += [used(whole, folder, name) for name in OUTPUTS]
    two_ranks(starter, two_processes.__file__, folder / "two.json", json.dumps(commands), *METHODS)
    return runs, json.loads((folder / "two.json").read_text())


@pytest.mark.parametrize("command", OUTPUTS)
def test_two_processes_predict_what_one_predicts(
    command: str, whole: Path, together: tuple[dict[str, Path], Losses], tmp_path: Path
) -> None:
    words = used(whole, tmp_path, command)
    assert cli.run(words) == 0
    alone, shared = Path(words[-1]), together[0]["all"].parent / Path(words[-1]).name
    assert alone.read_bytes() == shared.read_bytes()
    assert not list(shared.parent.glob("*.parts"))


def test_a_run_of_two_processes_goes_on_in_one_with_the_same_batches(whole: Path, tmp_path: Path) -> None:
    cut, rows = cut_back(whole, tmp_path / "cut", 15), list[dict[str, list[int]]]()
    batch = ImageLoader.batch

    def watched(loader: ImageLoader, step: int) -> Batch:
        found = batch(loader, step)
        rows.append({"labeled": found.labeled.index.tolist()} if found.labeled is not None else {})
        assert loader.rows_at(step)["labeled"] == rows[-1]["labeled"]
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageLoader, "batch", watched)
        with pytest.warns(RuntimeWarning, match="processes 2 is now 1"):
            assert cli.run(["train", "--resume", str(cut)]) == 0
    assert len(rows) == 1 and all(len(row["labeled"]) == 8 for row in rows)
    assert unsealed(cut / "result.json")["step"] == 16
    before = [line for line in (cut / "metrics.jsonl").read_text().splitlines() if json.loads(line)["step"] <= 15]
    assert before == (whole / "metrics.jsonl").read_text().splitlines()[: len(before)]


@pytest.mark.parametrize("freeze", ["0.75", "all"])
def test_a_frozen_backbone_stands_still_with_two_processes_too(
    freeze: str, whole: Path, together: tuple[dict[str, Path], Losses]
) -> None:
    run = together[0][freeze]
    source = load_file(whole / "checkpoints" / "step-00000016.safetensors")
    kept = {step: load_file(run / "checkpoints" / f"step-{step:08d}.safetensors") for step in (3, 4)}
    names = [name for name in kept[4] if name.startswith("method.student.") and ".head." not in name]
    assert any("running_mean" in name for name in names)
    for step, tensors in kept.items():
        places = {name: name.replace("method.student.", "method.teacher.network.") for name in names}
        still = [torch.equal(tensors[name], source[places[name]]) for name in names]
        assert all(still) or (step == 4 and freeze == "0.75" and not any(still[:3]))
    assert not torch.equal(*(kept[step]["method.student.head.weight"] for step in (3, 4)))


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_at_one_step_and_the_resumed_run_is_the_uninterrupted_one(
    whole: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    # no torchrun here: it would end the second process itself
    port = str(free_port())
    both = [
        subprocess.Popen(
            [str(token) for token in train(run)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=as_rank(rank, port),
        )
        for rank in ("0", "1")
    ]
    while both[1].poll() is None and not (run / "metrics.jsonl").exists():
        time.sleep(0.002)
    both[1].send_signal(signal.SIGTERM)
    (code, _, error), (other_code, _, other_error) = map(finish, both)
    assert (code, other_code) == (143, 143), error + other_error
    saved = checkpoints(run)[-1]["step"]
    for line in (error, other_error):
        assert line.startswith(f"tutelage: stopped after step {saved} of 16, which is saved"), line
    code, _, error = finish(torchrun(COMMAND, "train", "--resume", run))
    assert code == 0, error
    assert content(run) == content(whole)


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_is_one_clear_error(tmp_path: Path) -> None:
    code, _, error = finish(torchrun(*train(tmp_path / "run", batch_size=7)))
    assert code != 0
    assert "tutelage: a batch of 7 rows cannot be shared equally by 2 processes" in error
    assert "this is a bug in tutelage" not in error
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_what_stops_one_process_stops_the_other_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").touch()
    code, _, error = finish(torchrun(*train(tmp_path / "run")))
    assert code != 0
    assert "is not a run folder (it holds 'thesis.txt')" in error
    code, _, error = finish(torchrun(*train(tmp_path / "other", label_count=5000)))
    assert code != 0
    assert "tutelage: " in error and "5000" in error
    assert "this is a bug in tutelage" not in error
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_a_budget_is_planned_alike_by_both(tmp_path: Path) -> None:
    run = tmp_path / "run"
    code, _, error = finish(torchrun(*train(run, steps=None, budget="20s", eval_every=100_000, log_every=50)))
    assert code == 0, error
    plan = unsealed(run / "config.json")["plan"]
    assert plan["steps"] >= 10 and plan["budget"] == "20s"
    assert unsealed(run / "result.json")["step"] == plan["steps"]


@pytest.mark.parametrize("method", METHODS)
def test_without_batch_norm_two_processes_have_the_losses_of_one(
    method: str, together: tuple[dict[str, Path], Losses]
) -> None:
    alone = two_processes.train(method, torch.device("cpu"))
    assert len(alone) == 20
    for step, (row, other) in enumerate(zip(alone, together[1][method], strict=True)):
        assert row.keys() == other.keys()
        for name, value in row.items():
            assert other[name] == pytest.approx(value, rel=1e-6, abs=1e-12), f"{name} at step {step}"


@pytest.mark.slow
def test_a_lost_process_under_max_restarts_changes_nothing(whole: Path, tmp_path: Path) -> None:
    """The second process is killed after the first checkpoint; torchrun starts both again."""
    run = tmp_path / "run"
    process = torchrun("--max-restarts=2", *train(run))
    while process.poll() is None and not (run / "config.json").exists():
        time.sleep(0.002)
    ranks = subprocess.check_output(["pgrep", "-P", str(process.pid)]).split()
    os.kill(int(ranks[-1]), signal.SIGKILL)
    code, out, error = finish(process)
    assert code == 0, error
    assert "continuing after step" in out
    assert content(run) == content(whole)
