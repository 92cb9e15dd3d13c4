"""Whole comparisons, each run a process of its own."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from support.runs import digests, unsealed
from support.starter import Starter
from tutelage import cli
from tutelage.results.compare import launch
from tutelage.results.compare.fork_server import ForkServer

pytestmark = pytest.mark.long

BRIEF = ["--batch-size", "4", "--network", "wrn-10-1", "--device", "cpu", "--workers", "1", "--checkpoint-every", "2"]
SHARED = ["compare", "digits", "--methods", "supervised,fixmatch", "--label-counts", "20", *BRIEF, "--steps", "12"]
COMPARE = [*SHARED, "--no-report"]
COLLECT = ["compare", "--collect", "--no-report", "--out"]
RUNS = ["supervised-20-0", "fixmatch-20-0", "supervised-20-1", "fixmatch-20-1"]


def accuracy(run: Path) -> float:
    result = unsealed(run / "result.json")
    return float(result["test"][result["evaluated"]]["accuracy"])


def finished(out: Path) -> dict[str, int]:
    """When each finished run was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("*/result.json")}


@pytest.fixture(scope="module", autouse=True)
def _one_server() -> Iterator[None]:
    """The comparisons of this process share what forks their runs, which takes seconds to start."""
    servers: list[ForkServer] = []
    close = ForkServer.close

    def shared(environment: Mapping[str, str]) -> ForkServer:
        if not servers:
            servers.append(ForkServer(environment))
        return servers[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "ForkServer", shared)
        patch.setattr(ForkServer, "close", lambda server: None)
        yield
        for server in servers:
            close(server)


@pytest.fixture(scope="module")
def of_one_seed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """A comparison of two methods on one seed, and when its runs were finished."""
    out = tmp_path_factory.mktemp("whole") / "cmp"
    assert cli.run([*COMPARE, "--seeds", "1", "--jobs", "2", "--out", str(out)]) == 0
    return out, finished(out)


@pytest.fixture(scope="module")
def whole(of_one_seed: tuple[Path, dict[str, int]]) -> Path:
    """The same, grown to two seeds; never interrupted."""
    out, _ = of_one_seed
    assert cli.run([*SHARED, "--seeds", "2", "--jobs", "2", "--out", str(out)]) == 0
    return out


def test_a_comparison_ends_with_the_table_of_its_runs(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted(finished(whole)) == sorted(RUNS)
    values = {name: 100 * accuracy(whole / name) for name in RUNS}
    rows = [line.split(",") for line in (whole / "results.csv").read_text().splitlines()]
    assert [row[1] for row in rows] == ["method", "supervised", "fixmatch"]
    assert float(rows[2][4]) == pytest.approx((values["fixmatch-20-0"] + values["fixmatch-20-1"]) / 2, abs=1e-3)
    gains = [values[f"fixmatch-20-{seed}"] - values[f"supervised-20-{seed}"] for seed in (0, 1)]
    assert float(rows[2][6]) == pytest.approx(sum(gains) / 2, abs=1e-3)
    text = (whole / "results.md").read_text()
    assert "fixmatch, 20 labels: " in text
    assert "points of accuracy (2 seeds)" in text

    assert "fixmatch, 20 labels: " in (whole / "report.html").read_text(encoding="utf-8")
    assert not list(whole.glob("*/report.html"))

    before = {path.name: path.read_bytes() for path in whole.glob("results.*")}
    capsys.readouterr()
    assert cli.run([*COLLECT, str(whole)]) == 0
    assert {path.name: path.read_bytes() for path in whole.glob("results.*")} == before
    assert "Accuracy on 355 test images" in capsys.readouterr().out


def test_all_methods_of_a_seed_have_the_same_images(whole: Path) -> None:
    splits = {name: (whole / name / "split.json").read_text() for name in RUNS}
    assert splits["supervised-20-0"] == splits["fixmatch-20-0"] != splits["supervised-20-1"]


def test_a_finished_comparison_trains_nothing(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = finished(whole)
    assert cli.run([*COMPARE, "--seeds", "2", "--out", str(whole)]) == 0
    assert "4 of 4 runs are finished already" in capsys.readouterr().out
    assert finished(whole) == before
    assert cli.run([*COMPARE, "--seeds", "2", "--out", str(whole), "--list"]) == 0
    assert capsys.readouterr().out == ""


def test_a_comparison_grows_by_a_seed_and_keeps_what_is_finished(
    of_one_seed: tuple[Path, dict[str, int]], whole: Path
) -> None:
    before, after = of_one_seed[1], finished(whole)
    assert sorted(after.keys() - before.keys()) == ["fixmatch-20-1", "supervised-20-1"]
    assert {name: after[name] for name in before} == before
    rows = [line.split(",") for line in (whole / "results.csv").read_text().splitlines()]
    assert [row[3] for row in rows] == ["n", "2", "2"]


def test_going_on_with_other_settings_is_refused(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*COMPARE, "--seeds", "2", "--optimizer.lr", "0.1", "--out", str(whole)]) == 2
    assert "optimizer.lr was not given and is 0.1 now" in capsys.readouterr().err


def children(pid: int) -> list[int]:
    """The children of a process, and theirs: the runs of a comparison may be forks of a process of its own."""
    try:
        own = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:  # it has just ended
        return []
    return [*own, *(inner for child in own for inner in children(child))]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find the runs of a comparison")
@pytest.mark.parametrize("orphans", [True, False], ids=["runs-save-and-stop", "runs-die-too"])
def test_a_comparison_killed_at_a_random_moment_goes_on_to_the_same_table(
    whole: Path, starter: Starter, tmp_path: Path, orphans: bool
) -> None:
    out = tmp_path / "cmp"
    command = [*COMPARE, "--seeds", "2", "--jobs", "2", "--out", str(out)]
    assert cli.run([*command, "--list"]) == 0
    for name in RUNS[2:]:
        shutil.copytree(whole / name, out / name)  # as if they had been run elsewhere: less to wait for
    process = starter.start("-m", "tutelage", *command)
    while not finished(out).keys() - set(RUNS[2:]):
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(random.uniform(0, 1))
    runs = children(process.pid)
    process.kill()
    process.communicate()
    for run in runs if not orphans else ():
        with suppress(ProcessLookupError):  # what forks the runs has ended by itself
            os.kill(run, signal.SIGKILL)
    late = time.monotonic() + 60
    while any(Path(f"/proc/{run}/cmdline").exists() and Path(f"/proc/{run}/cmdline").read_bytes() for run in runs):
        assert time.monotonic() < late, "a run goes on, though its comparison has ended"
        time.sleep(0.05)
    before = finished(out)
    assert cli.run(command) == 0
    assert {name: finished(out)[name] for name in before} == before
    for name in ("results.csv", "results.tex", "results.md"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_a_signal_stops_the_runs_and_the_same_command_goes_on(whole: Path, starter: Starter, tmp_path: Path) -> None:
    out = tmp_path / "cmp"
    command = [*COMPARE, "--seeds", "2", "--out", str(out)]
    process = starter.start("-m", "tutelage", *command)
    while not (out / RUNS[0] / "config.json").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert "of 4 runs are finished; rerun the command to resume" in said
    for name in RUNS[1:]:
        shutil.copytree(whole / name, out / name, dirs_exist_ok=True)  # as if they had been run elsewhere
    assert cli.run(command) == 0
    assert (out / "results.csv").read_bytes() == (whole / "results.csv").read_bytes()


def test_the_listed_commands_really_run_and_give_the_same_bits(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "my cmp"
    assert cli.run([*COMPARE, "--seeds", "1", "--out", str(out), "--list", "--method.threshold", "0.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert ["--method.threshold" in line for line in lines] == [False, True]
    for line in lines:
        words = shlex.split(line)
        assert words[0] == "tutelage"
        assert cli.run(words[1:]) == 0
    capsys.readouterr()
    assert cli.run([*COLLECT, str(out)]) == 0
    assert "fixmatch, 20 labels: " in capsys.readouterr().out
    assert digests(out / "supervised-20-0") == digests(whole / "supervised-20-0")  # other than here, it was a fork


def test_a_failed_run_is_reported_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cmp"
    command = [*COMPARE, "--seeds", "1", "--out", str(out)]
    assert cli.run([*command, "--list"]) == 0
    (out / "fixmatch-20-0").mkdir()
    (out / "fixmatch-20-0" / "thesis.tex").write_text("mine")
    assert cli.run(command) == 2
    captured = capsys.readouterr()
    assert "fixmatch-20-0 failed" in captured.out
    assert "is not a run folder (it holds 'thesis.tex')" in captured.out
    assert "1 of 2 runs failed (fixmatch-20-0)" in captured.err
    assert "| 20 | supervised |" in (out / "results.md").read_text()
    assert "fixmatch-20-0 failed: " in (out / "results.md").read_text()
    (out / "fixmatch-20-0" / "thesis.tex").unlink()
    before = finished(out)
    assert cli.run(command) == 0
    assert {name: finished(out)[name] for name in before} == before


@pytest.mark.parametrize(("change", "words"), [("labeled", "labeled images"), ("fingerprint", "data")])
def test_runs_on_other_images_are_not_compared(
    whole: Path, tmp_path: Path, change: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(whole, tmp_path / "cmp")
    split = unsealed(out / "fixmatch-20-0" / "split.json")
    (out / "fixmatch-20-0" / "split.json").write_text(json.dumps(split | {change: split[change][1:]}))
    assert cli.run([*COLLECT, str(out)]) == 2
    assert f"cannot be compared: they differ in {words}" in capsys.readouterr().err


def test_a_run_of_another_combination_is_not_taken(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = shutil.copytree(whole, tmp_path / "cmp")
    shutil.rmtree(out / "fixmatch-20-0")
    shutil.copytree(whole / "fixmatch-20-1", out / "fixmatch-20-0")
    assert cli.run([*COLLECT, str(out)]) == 2
    assert "is another run: fixmatch with 20 labels on seed 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("digits --methods supervised,fixmtch --label-counts 20", "did you mean 'fixmatch'"),
        ("digits --methods supervised --label-counts 20,4000", "--label-count must be at most"),
        ("digits --methods supervised --label-counts 20,5", "--label-count must be at least 10, one label per class"),
        ("digits --methods supervised --label-counts 20,x", "--label-counts must be an integer, got 'x'"),
        ("digits --methods supervised --label-counts ,", "--label-counts must be numbers above 0"),
        ("digits --methods supervised --seeds 0", "--seeds must be at least 1"),
        ("digits --methods supervised --jobs 0", "--jobs must be in [1, 64]"),
        ("labeled.npz --methods fixmatch --exclude-labeled", "learns from unlabeled images, and there are none"),
        ("few.npz --methods supervised", "nothing could be scored; give labeled images with --test"),
        ("digits --label-counts 20", "specify the methods (--methods) to compare"),
        ("--methods supervised", "specify the data to compare"),
        ("digits --methods supervised --list --collect", "--list and --collect are mutually exclusive"),
        ("digits --collect", "give only --out with it"),
        ("digits --methods supervised --method fixmatch", "unknown option --method"),
    ],
)
def test_what_cannot_work_is_found_before_the_first_run(
    tmp_path: Path, words: str, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("few.npz", x=rng.integers(0, 256, (40, 8, 8), np.uint8), y=np.arange(40) % 2)
    test = {"x_test": rng.integers(0, 256, (4, 8, 8), np.uint8), "y_test": np.arange(4) % 2}
    np.savez("labeled.npz", x=rng.integers(0, 256, (40, 8, 8), np.uint8), y=np.arange(40) % 2, **test)
    assert cli.run(["compare", *words.split(), "--out", "cmp"]) == 2
    assert message in capsys.readouterr().err
    assert not Path("cmp").exists()


def test_a_budget_that_is_too_short_is_found_once_for_all_methods_before_the_first_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["digits", "--methods", "supervised,fixmatch", "--label-counts", "20,40", "--seeds", "2", "--budget", "1s"]
    more = ["--batch-size", "4", "--unlabeled-ratio", "1", "--network", "wrn-10-1", "--workers", "0", "--device", "cpu"]
    assert cli.run(["compare", *words, *more, "--out", str(tmp_path / "cmp")]) == 2
    error = capsys.readouterr().err
    for method in ("supervised", "fixmatch"):
        assert error.count(f"{method}-20-0: --budget 1s is too short for the whole command") == 1
    assert error.count("would do") == 2
    assert not (tmp_path / "cmp").exists()
