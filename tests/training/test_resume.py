"""Resuming from any step gives, bit for bit, what not stopping gives."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tutelage
from support.features import with_network
from support.runs import cut_back, digests
from support.starter import Starter
from tutelage.core.errors import CheckpointError, RunError
from tutelage.methods import CLASSIFIERS
from tutelage.run.method_by_name import method_class
from tutelage.training import checkpoint

STEPS = 12  # two epochs; a log line every 3, an evaluation every 4


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 training images of 8 x 8 pixels in three classes, some without a label, and 9 to validate."""
    draw = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("photos")
    for name, count in (("train", 36), ("val", 9)):
        labels = np.arange(count) % 3
        shade = (40 * labels).astype(np.uint8)[:, None, None, None]
        images = draw.integers(0, 120, (count, 8, 8, 3), dtype=np.uint8) + shade
        np.savez(folder / f"{name}.npz", x=images, y=np.where(np.arange(count) < 18, labels, -1))
    return folder


def settings(photos: Path, **more: Any) -> dict[str, Any]:
    return {
        "data.path": str(photos / "train.npz"),
        "method.name": "mean-teacher",
        "data.val": str(photos / "val.npz"),
        "train.steps": STEPS,
        "train.batch_size": 4,
        "train.unlabeled_ratio": 1.5,
        "train.log_every": 3,
        "train.eval_every": 4,
        "train.checkpoint_every": 1,
        "train.workers": 1,
        "network.width": 8,
        "network.dropout": 0.2,
        "network.input_noise": 0.1,
        "optimizer.warmup": 0.2,
        "method.ema_decay": 0.9,
    } | more


@pytest.fixture(scope="module")
def whole(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tutelage.Run:
    """A finished run with all of its checkpoints; not to be written to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "KEEP", STEPS + 1)
        return tutelage.train(out=tmp_path_factory.mktemp("runs") / "whole", settings=settings(photos))


def assert_resumes_exactly(whole: Path, steps: Sequence[int], scratch: Path) -> None:
    expected = digests(whole)
    for step in steps:
        run = cut_back(whole, scratch / f"from-{step}", step)
        tutelage.train(resume=run)
        assert digests(run) == expected, f"resumed from step {step}"
    rows = [(row["step"], row["kind"]) for row in tutelage.Run(whole).history()]
    assert len(rows) == len(set(rows)) == 7  # 3, 6, 9, 12 and 4, 8, 12


@pytest.fixture(autouse=True)
def every_checkpoint_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "KEEP", STEPS + 1)


@pytest.mark.parametrize(
    ("steps", "saved_every"),
    [((2, 6, 8), 2), pytest.param(range(STEPS + 1), 1, marks=pytest.mark.slow)],
    ids=["three", "every"],
)
@pytest.mark.parametrize("method", [method.name for method in CLASSIFIERS])
def test_every_method_resumes_exactly_from_any_step(
    method: str, steps: Sequence[int], saved_every: int, photos: Path, tmp_path: Path
) -> None:
    chosen = settings(photos) | {"method.name": method, "train.checkpoint_every": saved_every}
    chosen = with_network(method_class(method), chosen)
    if "ema_decay" not in {field.name for field in dataclasses.fields(method_class(method).Config)}:
        del chosen["method.ema_decay"]
    run = tutelage.train(out=tmp_path / "whole", settings=chosen)
    assert_resumes_exactly(run.path, steps, tmp_path)


@pytest.mark.parametrize(
    "more",
    [
        {"optimizer.name": "adamw", "optimizer.clip_norm": 1.0},
        {"optimizer.name": "adam", "train.precision": "bf16"},
        {"train.channels_last": False},
        {"train.channels_last": False, "optimizer.name": "adamw"},
        {"method.logit_distance_weight": 0.1, "method.consistency": "kl", "method.ema_buffers": "copy"},
        {"method.name": "fixmatch", "augment.strong.policy": "ctaugment", "method.threshold": 0.4},
        {"method.name": "fixmatch", "method.ema_buffers": "average"},
        {"train.steps": STEPS, "method.ema_decay": None},
    ],
    ids=lambda more: "-".join(str(value) for value in more.values()),
)
def test_whatever_the_settings_a_run_resumes_exactly(more: dict[str, Any], photos: Path, tmp_path: Path) -> None:
    run = tutelage.train(out=tmp_path / "whole", settings=settings(photos, **more))
    assert_resumes_exactly(run.path, (0, 7), tmp_path)


@pytest.mark.long
def test_a_resume_by_the_command_in_a_new_process_is_exact(
    whole: tutelage.Run, starter: Starter, tmp_path: Path
) -> None:
    cut = cut_back(whole.path, tmp_path / "from-7", 7)
    threads = str(whole.config["environment"]["threads"])
    process = starter.start("-m", "tutelage", "train", "--resume", cut, env={**os.environ, "OMP_NUM_THREADS": threads})
    _, error = process.communicate()
    assert (process.returncode, error) == (0, "")
    assert digests(cut) == digests(whole.path)


def test_another_seed_gives_other_hashes_so_the_tests_above_can_fail(photos: Path, tmp_path: Path) -> None:
    one, other = (
        tutelage.train(
            out=tmp_path / f"seed-{seed}", settings=settings(photos) | {"method.name": "supervised"}, seed=seed
        )
        for seed in (0, 1)
    )
    assert not set(digests(one.path).values()) & set(digests(other.path).values())


def test_a_resume_after_a_damaged_newest_checkpoint_takes_the_one_before_and_ends_the_same(
    whole: tutelage.Run, tmp_path: Path
) -> None:
    cut = cut_back(whole.path, tmp_path / "cut", 9)
    newest = cut / "checkpoints" / "step-00000009.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1] + b"\0\0")
    with pytest.warns(RuntimeWarning, match=r"damaged: step-00000009.* resuming from step-00000008"):
        tutelage.train(resume=cut)
    assert digests(cut) == digests(whole.path)


def test_without_any_good_checkpoint_a_resume_is_an_error_and_changes_nothing(
    whole: tutelage.Run, tmp_path: Path
) -> None:
    cut = cut_back(whole.path, tmp_path / "cut", 3)
    for file in (cut / "checkpoints").glob("*.safetensors"):
        file.write_bytes(b"")
    before = {path: path.read_bytes() for path in cut.rglob("*") if path.is_file()}
    with pytest.raises(CheckpointError, match="no usable checkpoint"):
        tutelage.train(resume=cut)
    assert {path: path.read_bytes() for path in cut.rglob("*") if path.is_file()} == before


def test_a_checkpoint_of_another_network_does_not_fit(photos: Path, tmp_path: Path) -> None:
    small = tutelage.train(out=tmp_path / "small", settings=settings(photos) | {"method.name": "supervised"}).path
    wide = tutelage.train(
        out=tmp_path / "wide",
        settings=settings(photos, **{"network.input_noise": None, "network.width": None, "method.name": "supervised"}),
        network="wrn-10-1",
    ).path
    cut = cut_back(small, tmp_path / "cut", 3)
    shutil.rmtree(cut / "checkpoints")
    shutil.copytree(wide / "checkpoints", cut / "checkpoints")
    with pytest.raises(CheckpointError, match="does not fit"):
        tutelage.train(resume=cut)


def test_a_finished_run_is_left_as_it_is(whole: tutelage.Run, tmp_path: Path) -> None:
    run = shutil.copytree(whole.path, tmp_path / "run")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    tutelage.train(resume=run)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_torn_or_doubled_log_is_repaired_on_resume(whole: tutelage.Run, tmp_path: Path) -> None:
    cut = cut_back(whole.path, tmp_path / "cut", 9)
    log = cut / "metrics.jsonl"
    log.write_bytes(log.read_bytes() + b'{"step": 12, "ki')
    tutelage.train(resume=cut)
    assert digests(cut) == digests(whole.path)


def test_a_log_line_that_is_no_json_is_named(whole: tutelage.Run, tmp_path: Path) -> None:
    cut = cut_back(whole.path, tmp_path / "cut", 9)
    (cut / "metrics.jsonl").write_text('{"step": 3, "kind": "training"}\nnonsense\n')
    with pytest.raises(RunError, match=r"metrics\.jsonl is damaged: its lines up to step 9"):
        tutelage.train(resume=cut)
