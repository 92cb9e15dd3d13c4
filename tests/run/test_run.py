"""Runs from start to end in one process: what is refused, what is kept, what is left behind."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import tutelage
from support.runs import unsealed
from support.starter import Starter
from tutelage import cli
from tutelage.core.batch import Batch, Progress, StepOutput
from tutelage.core.ema import slowest_decay
from tutelage.core.errors import ConfigError, DataError, RunError
from tutelage.core.sealed import write_sealed
from tutelage.data.images.dataset import ImageDataset
from tutelage.data.images.image_set import ImageSubset
from tutelage.methods.supervised import Supervised
from tutelage.run import method_by_name
from tutelage.run import session as sessions
from tutelage.run.own_content import BEGUN, HASHES, STARTED

pytestmark = pytest.mark.usefixtures("by_flags")

BRIEF: dict[str, Any] = {
    "method.name": "mean-teacher",
    "train.steps": 4,
    "train.batch_size": 4,
    "train.unlabeled_ratio": 1,
    "train.log_every": 2,
    "train.eval_every": 2,
    "train.workers": 0,
}


def write_images(folder: Path, classes: str = "ab", each: int = 6, seed: int = 0) -> Path:
    """Class folders of 8 x 8 images."""
    draw = np.random.default_rng(seed)
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for image in range(each):
            pixels = draw.integers(0, 100, (8, 8, 3), dtype=np.uint8) + 60 * number
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{image}.png")
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_images(tmp_path / "photos")


def train(photos: Path, out: Path, **flags: Any) -> tutelage.Run:
    narrow = {} if "network" in flags else {"network.width": 8}  # quick
    settings = BRIEF | narrow | flags.pop("settings", {})
    return tutelage.train(photos, out=out, settings=settings, **flags)


def interrupted(run: Path) -> Path:
    """A finished run as it was before its result was written."""
    (run / "result.json").unlink()
    return run


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def weights(run: Path) -> str:
    newest = unsealed(run / "checkpoints" / "manifest.json")["checkpoints"][-1]
    return str(newest["sha256"])


# ---- resume refuses a changed world


OTHER: dict[str, Any] = {
    "data.label_count": 8,
    "data.val_share": 0.3,
    "data.image_size": 12,
    "network.dropout": 0.5,
    "augment.weak.translate": 0.25,
    "optimizer.lr": 0.5,
    "optimizer.name": "adamw",
    "train.steps": 9,
    "train.batch_size": 5,
    "train.unlabeled_ratio": 2,
    "train.seed": 3,
    "train.precision": "bf16",
    "train.log_every": 1,
    "train.eval_every": 1,
    "train.checkpoint_every": 1,
    "method.ema_decay": 0.5,
    "method.name": "supervised",
}


def test_a_resume_with_another_setting_is_refused_by_its_name(photos: Path, tmp_path: Path) -> None:
    run = interrupted(train(photos, tmp_path / "run").path)
    before = hashes(run)
    for name, value in OTHER.items():
        with pytest.raises(RunError, match=f"{name} is .*, not .*Start a new run"):
            tutelage.train(resume=run, settings={name: value})
    with pytest.raises(
        RunError, match=r"optimizer.lr is 0.03, not 0.5; train.seed is 0, not 3|train.seed.*optimizer.lr"
    ):
        tutelage.train(resume=run, settings={"optimizer.lr": "0.5", "train.seed": 3})
    with pytest.raises(RunError, match="was planned for a budget of None, not 5m"):
        tutelage.train(resume=run, budget="5m")
    with pytest.raises(ConfigError, match=r"method\.ema_decey"):
        tutelage.train(resume=run, settings={"method.ema_decey": 0.9})
    assert hashes(run) == before
    same = {"method.ema_decay": "0.00", "train.steps": "4", "train.workers": 1, "data.path": str(photos)}
    assert tutelage.train(resume=run, settings=same).metrics["step"] == 4


def relabel(photos: Path) -> None:
    (photos / "a" / "0.png").rename(photos / "b" / "new.png")


def change_a_byte(photos: Path) -> None:
    path = photos / "a" / "0.png"
    content = path.read_bytes()
    pixels = np.asarray(Image.open(path)).copy()
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path)
    assert path.read_bytes() != content


def add_a_file(photos: Path) -> None:
    shutil.copy(photos / "a" / "0.png", photos / "a" / "more.png")


def add_a_class(photos: Path) -> None:
    write_images(photos, "A")


def add_a_part(photos: Path) -> None:
    (photos / "unlabeled").mkdir()
    shutil.copy(photos / "a" / "0.png", photos / "unlabeled" / "x.png")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (relabel, r"train: other names and labels"),
        (change_a_byte, r"train: other contents of images"),
        (add_a_file, r"train: 13 images, not 12"),
        (add_a_class, r"the classes of the data changed since .*\['a', 'b'\] to \['A', 'a', 'b'\]"),
        (add_a_part, r"unlabeled: new|train: 13 images, not 12"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_resume_with_other_data_is_refused_and_says_what_changed(
    change: Any, said: str, photos: Path, tmp_path: Path
) -> None:
    run = interrupted(train(photos, tmp_path / "run").path)
    before = hashes(run)
    change(photos)
    with pytest.raises(RunError, match=said):
        tutelage.train(resume=run)
    assert hashes(run) == before


def test_another_label_in_the_table_is_named(photos: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    names = []
    for path in sorted(photos.rglob("*.png")):
        shutil.copy(path, flat / f"{path.parent.name}{path.name}")
        names.append((f"{path.parent.name}{path.name}", path.parent.name))
    table = flat / "labels.csv"
    table.write_text("path,label\n" + "".join(f"{name},{label}\n" for name, label in names))
    run = interrupted(train(flat, tmp_path / "run", labels="labels.csv").path)
    table.write_text(table.read_text().replace("a0.png,a", "a0.png,b"))
    with pytest.raises(RunError, match="train: other labels of images"):
        tutelage.train(resume=run)


def test_another_major_version_is_refused_and_other_threads_and_versions_are_a_warning(
    photos: Path, tmp_path: Path
) -> None:
    run = interrupted(train(photos, tmp_path / "run").path)
    config = unsealed(run / "config.json")

    def write(**environment: Any) -> None:
        changed = {**config, "environment": {**config["environment"], **environment}}
        (run / "config.json").write_text(json.dumps(changed))

    write(tutelage="7.0.0")
    with pytest.raises(RunError, match=r"started by tutelage 7\.0\.0, this is"):
        tutelage.train(resume=run)
    write(threads=99, torch="1.0")
    with pytest.warns(RuntimeWarning, match="last bits may differ.*torch 1.0 is now .*threads 99 is now"):
        tutelage.train(resume=run)
    (run / "config.json").write_text(json.dumps({**config, "format": 99}))
    with pytest.raises(RunError, match="this version cannot read it"):
        tutelage.train(resume=run)


# ---- two writers


@pytest.mark.long
def test_of_two_processes_exactly_one_gets_the_folder_and_a_kill_frees_it(photos: Path, tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom tutelage.core.errors import RunError\n"
        "from tutelage.run.folder import RunFolder\n"
        "kept = []\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for number in range(20):\n"
        "    begin = time.monotonic()\n"
        "    try:\n"
        "        kept.append(RunFolder.create(Path(sys.argv[1]) / str(number)))\n"
        "        print('won', time.monotonic() - begin, flush=True)\n"
        "    except RunError as error:\n"
        "        assert 'in use by another process' in str(error), error\n"
        "        print('lost', time.monotonic() - begin, flush=True)\n"
        "    print('next', flush=True); sys.stdin.readline()\n"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path], stdin=-1, stdout=-1, stderr=-1, text=True)
        for _ in range(2)
    ]

    def lines(process: Any, until: str) -> list[str]:
        found = []
        while (line := process.stdout.readline()) and not line.startswith(until):
            found.append(line)
        return found

    for process in both:
        lines(process, "ready")
    outcomes = []
    for _ in range(20):
        for process in both:
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [lines(process, "next")[0].split() for process in both]
        outcomes.append(sorted(answer[0] for answer in answers))
        assert max(float(answer[1]) for answer in answers) < 1.0
    for process in both:
        process.kill()
        process.communicate()
    assert outcomes == [["lost", "won"]] * 20
    with contextlib.ExitStack() as stack:
        from tutelage.run.folder import RunFolder

        for number in range(20):
            stack.enter_context(RunFolder.create(tmp_path / str(number)))


@pytest.mark.long
def test_a_run_that_is_trained_cannot_be_resumed_or_overwritten_by_another_process(
    photos: Path, starter: Starter, tmp_path: Path
) -> None:
    from tutelage.run.folder import RunFolder

    run = interrupted(train(photos, tmp_path / "run").path)
    with RunFolder.open(run):
        for arguments in (["--resume", str(run)], [str(photos), "--out", str(run), "--overwrite", "--steps", "2"]):
            begin = time.monotonic()
            process = starter.start("-m", "tutelage", "train", *arguments)
            _, error = process.communicate()
            assert process.returncode == 2
            assert error == f"tutelage: {run} is in use by another process\n"
            assert time.monotonic() - begin < 30
    assert tutelage.train(resume=run).metrics["step"] == 4


# ---- folders


def test_a_run_that_is_there_is_replaced_only_on_request_and_nothing_else_ever(photos: Path, tmp_path: Path) -> None:
    run = train(photos, tmp_path / "run").path
    before = hashes(run)
    with pytest.raises(
        RunError, match=r"holds a run already; resume it with --resume .*, or replace it with --overwrite"
    ):
        train(photos, run)
    with pytest.raises(ConfigError):
        train(photos, run, overwrite=True, settings={"train.steps": None, "train.budget": "0.01s"})
    assert hashes(run) == before, "a start that fails leaves the earlier run alone"
    train(photos, run, overwrite=True, seed=1)
    assert tutelage.Run(run).config["settings"]["train"]["seed"] == 1
    (run / "notes.txt").write_text("mine")
    for folder in (run, photos):
        kept = hashes(folder)
        with pytest.raises(RunError, match="is not a run folder"):
            train(photos, folder, overwrite=True)
        assert hashes(folder) == kept
    theirs = tmp_path / "theirs" / "checkpoints"
    theirs.mkdir(parents=True)
    with pytest.raises(RunError, match=r"is not a run folder \(it holds 'checkpoints'\)"):
        train(photos, theirs.parent, overwrite=True)


def test_what_a_kill_before_the_first_step_leaves_is_no_obstacle(photos: Path, tmp_path: Path) -> None:
    run = train(photos, tmp_path / "run").path
    expected = weights(run)
    (run / "config.json").unlink()
    write_sealed(run / STARTED, {HASHES: BEGUN})  # which the first step would have removed
    (run / "config.json.tmp-17").touch()
    train(photos, run)
    assert weights(run) == expected
    assert not (run / "config.json.tmp-17").exists()


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        ({"label_count": 100}, DataError),
        ({"settings": {"train.steps": None, "train.budget": "0.01s"}}, ConfigError),
        ({"init_from": "nowhere"}, RunError),
        ({"network": "timm:nonsense"}, ConfigError),
    ],
    ids=["labels", "budget", "init", "network"],
)
def test_a_start_that_fails_leaves_nothing(flags: dict[str, Any], error: Any, photos: Path, tmp_path: Path) -> None:
    for out in (tmp_path / "new", tmp_path / "empty"):
        if out.name == "empty":
            out.mkdir()
        with pytest.raises(error):
            train(photos, out, **flags)
    assert not (tmp_path / "new").exists()
    assert [p.name for p in (tmp_path / "empty").iterdir()] in ([], [".lock"])


def test_inputs_are_read_only(photos: Path, tmp_path: Path) -> None:
    test = write_images(tmp_path / "test", seed=1)
    before = {path: (path.stat().st_mtime_ns, hashes(path)) for path in (photos, test)}
    for folder in (photos, test):
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        run = train(photos, tmp_path / "run", test=test, settings={"data.memory_limit_mb": 0}).path
        for command in (
            ["check", str(photos)],
            ["show", str(photos), "--out", str(tmp_path / "views.png")],
            ["evaluate", str(run), str(test), "--out", str(tmp_path / "metrics.json")],
            ["predict", str(run), str(test), "--out", str(tmp_path / "predictions.csv")],
        ):
            assert cli.run(command) == 0, command
        tutelage.train(resume=interrupted(run))
        assert {path: (path.stat().st_mtime_ns, hashes(path)) for path in (photos, test)} == before
    finally:
        for folder in (photos, test):
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o755)


# ---- the final number


def test_the_test_images_are_read_once_and_only_at_the_end(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[bool] = []
    original = ImageDataset.load_test
    run = tmp_path / "run"

    def counted(self: ImageDataset) -> ImageSubset:
        last = unsealed(run / "checkpoints" / "manifest.json")["checkpoints"][-1]["step"]
        reads.append(last == 4)
        return original(self)

    monkeypatch.setattr(ImageDataset, "load_test", counted)
    done = train(photos, run, test=write_images(tmp_path / "test", seed=1))
    assert reads == [True]
    assert done.metrics["test"]["teacher"]["n"] == 12
    assert {row["kind"] for row in done.history()} == {"training"}
    reads.clear()
    tutelage.train(resume=run)
    assert reads == []


def test_other_test_images_change_no_weight(photos: Path, tmp_path: Path) -> None:
    first, second = (
        train(photos, tmp_path / f"run-{seed}", test=write_images(tmp_path / f"test-{seed}", seed=seed))
        for seed in (1, 2)
    )
    assert weights(first.path) == weights(second.path)
    assert first.metrics["test"] != second.metrics["test"]


def test_evaluations_are_logged_for_both_networks(photos: Path, tmp_path: Path) -> None:
    run = train(photos, tmp_path / "run", val=write_images(tmp_path / "val", seed=1))
    rows = [row for row in run.history() if row["kind"] == "validation"]
    assert [row["step"] for row in rows] == [2, 4]
    assert all({"accuracy", "nll"} <= set(row[network]) for row in rows for network in ("student", "teacher"))
    assert run.metrics["validation"]["teacher"]["accuracy"] == rows[-1]["teacher"]["accuracy"]
    assert "validation_accuracy_late_median" not in run.metrics


# ---- budget


def test_the_measured_steps_of_a_budget_leave_no_trace(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "timing_limit", lambda budget: 0.3)
    planned_lengths = sessions.plan_lengths

    def short(*given: Any, **more: Any) -> Any:  # so that it does not depend on the machine
        own, baseline = planned_lengths(*given, **more)
        return dataclasses.replace(own, steps=24), baseline

    monkeypatch.setattr(sessions, "plan_lengths", short)
    settings = {"train.steps": None, "train.budget": "1h", "train.eval_every": 100_000, "train.log_every": 10}
    planned = train(photos, tmp_path / "planned", settings=settings)
    steps = planned.config["plan"]["steps"]
    decay = planned.config["settings"]["method"]["ema_decay"]
    assert planned.config["plan"] == {"steps": steps, "budget": "1h", "report": False, "ema_decay": decay}
    assert (steps, decay) == (24, 0.5)
    given = train(photos, tmp_path / "given", settings=settings | {"train.steps": steps, "train.budget": None})
    assert weights(planned.path) == weights(given.path)
    assert planned.history() == given.history()
    assert given.config["settings"]["method"]["ema_decay"] == decay
    resumed = tutelage.train(resume=interrupted(planned.path), budget="1h")
    assert resumed.config["plan"]["steps"] == steps
    with pytest.raises(RunError, match=r"planned for a budget of 1h, not 3s"):
        tutelage.train(resume=interrupted(planned.path), budget="3s")


# ---- advice


def test_the_advised_decay_is_below_one_has_few_digits_and_fits_the_training() -> None:
    assert [slowest_decay(total) for total in (4, 10, 100, 4000)] == [0.0, 0.5, 0.95, 0.9987]
    for total in (*range(1, 6000), 49_999, 2_000_000):
        decay = slowest_decay(total)
        assert 0 <= decay < 1
        assert total <= 5 or (1 - decay) * total >= 5 - 1e-9
        assert total < 100 or decay >= 1 - 6 / total
        assert len(str(decay)) <= 2 + len(str(total))


@pytest.mark.usefixtures("by_flags")
def test_slow_averages_are_told_of_with_settings_that_help(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(photos, tmp_path / "slow", quiet=False, network="wrn-10-1", settings={"method.ema_decay": 0.999})
    said = capsys.readouterr().out.replace("\n", " ")
    assert "try --method.ema-decay 0 " in said
    assert "network.batch_norm_momentum 0.001 averages over 1000 steps, but there are only 4" in said
    assert "try --network.batch-norm-momentum 0.1" in said
    settings = {"method.ema_decay": 0.0, "network.batch_norm_momentum": 0.1}
    train(photos, tmp_path / "fast", quiet=False, network="wrn-10-1", settings=settings)
    assert "averages over" not in capsys.readouterr().out
    train(photos, tmp_path / "small", quiet=False)
    said = capsys.readouterr().out
    assert "batch_norm_momentum" not in said and "may lag behind" not in said
    assert "- the teacher averages over 1 step (method.ema_decay 0)" in said


# ---- out of memory


class Greedy(Supervised):
    def forward(self, batch: Batch, t: Progress) -> StepOutput:
        if t.step == 3:
            torch.empty(2**60)
        return super().forward(batch, t)


def test_out_of_memory_names_the_batch_and_what_to_lower(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(method_by_name, "METHODS", (Greedy,))
    tokens = ["train", str(photos), "--method=supervised", "--batch-size=4", "--steps=4", "--workers=0"]
    assert cli.run([*tokens, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "out of memory with batches of 4 labeled images and the network 'small': lower --batch-size" in error


# ---- warm start


def test_a_warm_start_takes_what_fits_and_says_so(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = train(photos, tmp_path / "first").path
    capsys.readouterr()
    train(photos, tmp_path / "same", init_from=first, quiet=False, settings={"train.seed": 5})
    said = capsys.readouterr().out
    assert f"tensors come from {first} (step 4)" in said and "new" not in said.split("tensors come")[1].split("\n")[0]
    start = load_file(next((first / "checkpoints").glob("*4.safetensors")))
    three = write_images(tmp_path / "three", "abc")
    train(three, tmp_path / "other", init_from=first, quiet=False, settings={"train.steps": 1})
    assert "new, since the classes differ: head.weight, head.bias" in capsys.readouterr().out
    zero = load_file(tmp_path / "other" / "checkpoints" / "step-00000000.safetensors")
    taken = [name for name in zero if name.startswith("method.student.trunk")]
    assert taken
    for name in taken:
        teacher = name.replace("method.student.", "method.teacher.network.")
        assert torch.equal(zero[name], start[teacher]), name
    with pytest.raises(ConfigError, match="does not fit"):
        train(photos, tmp_path / "wide", init_from=first, network="wrn-10-1")
    with pytest.raises(RunError, match="is not a run folder"):
        train(photos, tmp_path / "none", init_from=photos)


def test_a_head_for_the_same_number_of_other_classes_is_not_taken(photos: Path, tmp_path: Path) -> None:
    first = train(photos, tmp_path / "first").path
    trained = load_file(first / "checkpoints" / "step-00000004.safetensors")["method.teacher.network.head.weight"]
    for classes, taken in (("ab", True), ("xy", False)):
        run = tmp_path / classes
        train(
            write_images(tmp_path / f"photos-{classes}", classes),
            run,
            init_from=first,
            seed=7,
            settings={"train.steps": 1},
        )
        head = load_file(run / "checkpoints" / "step-00000000.safetensors")["method.student.head.weight"]
        assert torch.equal(head, trained) == taken


def test_a_warm_started_run_resumes_though_its_origin_is_gone(photos: Path, tmp_path: Path) -> None:
    first = train(photos, tmp_path / "first").path
    run = train(photos, tmp_path / "run", init_from=first).path
    expected = weights(run)
    shutil.rmtree(first)
    tutelage.train(resume=interrupted(run))
    assert weights(run) == expected


# ---- strict files


def strictly(text: str) -> Any:
    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_every_json_file_of_a_run_is_strict_utf8_and_ends_with_a_newline(photos: Path, tmp_path: Path) -> None:
    odd = tmp_path / 'Ω ,"x\n'
    shutil.copytree(photos, odd)
    run = train(odd, tmp_path / "Läufe, 猫", val=odd, test=odd).path
    files = [path for path in run.rglob("*") if path.suffix in (".json", ".jsonl")]
    assert {path.name for path in files} == {
        "config.json",
        "split.json",
        "metrics.jsonl",
        "timing.jsonl",
        "result.json",
        "manifest.json",
    }
    for path in files:
        content = path.read_bytes()
        assert content.endswith(b"\n"), path
        for text in content.decode("utf-8").splitlines() if path.suffix == ".jsonl" else [content.decode("utf-8")]:
            strictly(text)


# ---- silent no-op


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images of digits as labeled ones, and noise to take for unlabeled ones."""
    folder = tmp_path_factory.mktemp("noise")
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (300, 8, 8), dtype=np.uint8)
    np.savez(folder / "noise.npz", x=images)
    return folder / "noise.npz"


def test_the_unlabeled_images_matter_and_the_teacher_differs_from_the_student(noise: Path, tmp_path: Path) -> None:
    brief = BRIEF | {"train.steps": 10, "train.batch_size": 16, "data.label_count": 40, "train.log_every": 1}
    brief["method.ema_decay"] = 0.9
    brief["network.width"] = 8
    runs = {
        name: tutelage.train("digits", out=tmp_path / name, settings=brief | more)
        for name, more in {
            "real": {},
            "more": {"data.unlabeled": str(noise)},
            "weightless": {"method.consistency_weight": 0.0},
        }.items()
    }
    logged = [row["consistency"] for row in runs["real"].history() if row["kind"] == "training"]
    assert len(logged) == 10
    assert min(logged[1:]) > 1e-6, "student and teacher are equal in the first step alone"
    assert len({weights(run.path) for run in runs.values()}) == 3
    state = load_file(next((runs["real"].path / "checkpoints").glob("step-00000010.safetensors")))
    for name, value in state.items():
        if name.startswith("method.student.") and name.endswith("weight"):
            assert not torch.equal(value, state[name.replace("student", "teacher.network")]), name


# ---- empty and tiny


@contextlib.contextmanager
def no_hang(seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, lambda: pytest.fail("it hangs"))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@pytest.mark.parametrize("each", [0, 1, 2, 3])
@pytest.mark.parametrize("method", ["supervised", "mean-teacher"])
@pytest.mark.parametrize("batch", [1, 2, 4])
def test_a_handful_of_images_trains_or_says_why_not(
    each: int, method: str, batch: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = write_images(tmp_path / "photos", each=each)
    tokens = ["train", str(photos), f"--method={method}", f"--batch-size={batch}", "--steps=3", "--workers=0"]
    tokens.append("--network.width=8")
    code = cli.run([*tokens, "--out", str(tmp_path / "run")])
    error = capsys.readouterr().err
    if each == 0:
        assert code == 2
        assert error.startswith("tutelage: ")
        assert "Traceback" not in error
        assert not (tmp_path / "run").exists()
    else:
        assert (code, error) == (0, "")
        assert unsealed(tmp_path / "run" / "result.json")["step"] == 3


def test_a_class_with_one_label_and_others_with_more_trains(tmp_path: Path) -> None:
    photos = write_images(tmp_path / "photos")
    write_images(photos, "c", each=1)
    assert train(photos, tmp_path / "run").metrics["step"] == 4


def test_the_table_that_is_read_is_the_one_that_is_recorded(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a table of that name in the current folder and in the data, and resumed where there is another."""
    rows = [f"{path.relative_to(photos)},{path.parent.name}" for path in sorted(photos.rglob("*.png"))]
    (photos / "labels.csv").write_text("\n".join(["path,label", *rows[1:]]))
    for place in ("here", "elsewhere"):
        (tmp_path / place).mkdir()
    (tmp_path / "here" / "labels.csv").write_text("\n".join(["path,label", *rows]))
    (tmp_path / "elsewhere" / "labels.csv").write_text("path,label\n")
    monkeypatch.chdir(tmp_path / "here")
    run = train(photos, tmp_path / "run", labels="labels.csv")
    assert run.config["settings"]["data"]["labels"] == str(tmp_path / "here" / "labels.csv")
    monkeypatch.chdir(tmp_path / "elsewhere")
    tutelage.train(resume=interrupted(run.path))
    (tmp_path / "here" / "labels.csv").unlink()
    monkeypatch.chdir(tmp_path / "here")
    inside = train(photos, tmp_path / "inside", labels="labels.csv")
    assert inside.config["settings"]["data"]["labels"] == str(photos / "labels.csv")
    monkeypatch.chdir(tmp_path / "elsewhere")
    tutelage.train(resume=interrupted(inside.path))
