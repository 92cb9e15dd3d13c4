"""Trainings whose images are decoded as they are needed: the same as others, and what happens when files change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tutelage
from support.runs import cut_back, digests, unsealed
from tutelage import cli
from tutelage.core.errors import DataError
from tutelage.data.images.streamed import StreamedImages
from tutelage.training import loop

SETTINGS: dict[str, Any] = {
    "method.name": "fixmatch",
    "network.name": "small",
    "network.width": 8,
    "train.steps": 12,
    "train.batch_size": 4,
    "train.unlabeled_ratio": 2,
    "train.log_every": 3,
    "train.eval_every": 6,
    "train.checkpoint_every": 3,
    "train.workers": 2,
    "data.stream": "always",
}
COUNT = 80


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """80 images, 10 of which have a label."""
    root, draw = tmp_path / "photos", np.random.default_rng(0)
    root.mkdir()
    for number in range(COUNT):
        pixels = draw.integers(0, 200, (10, 10, 3), np.uint8) + 50 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"{number:02}.png")
    rows = [f"{number:02}.png,{'ab'[number % 2]}" for number in range(10)]
    (root / "labels.csv").write_text("\n".join(["path,label", *rows]))
    return root


def train(photos: Path, out: Path, **settings: Any) -> tutelage.Run:
    return tutelage.train(photos, out=out, settings=SETTINGS | settings)


def test_a_streamed_training_is_that_on_decoded_images(photos: Path, tmp_path: Path) -> None:
    streamed = train(photos, tmp_path / "streamed").path
    plain = train(photos, tmp_path / "plain", **{"data.stream": "never"}).path
    assert digests(streamed) == digests(plain)


def test_it_resumes_with_the_same_batches(photos: Path, tmp_path: Path) -> None:
    whole = train(photos, tmp_path / "whole").path
    cut = cut_back(whole, tmp_path / "cut", 9)
    tutelage.train(resume=cut)
    assert digests(cut) == digests(whole)


def during(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], object]) -> None:
    """Does something right before a step."""
    run_step = loop.run_step

    def acting(training: Any, now: int, health: Any) -> Any:
        if now == step:
            act()
        return run_step(training, now, health)

    monkeypatch.setattr(loop, "run_step", acting)


def lose(photos: Path, count: int = COUNT) -> None:
    for number in range(10, count):  # without a label, so that they are not in memory
        (photos / f"{number:02}.png").unlink()


def test_lost_images_stop_a_training_which_goes_on_when_they_are_back(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, saved = train(photos, tmp_path / "whole").path, tmp_path / "saved"
    saved.mkdir()

    def hide() -> None:
        for number in range(10, COUNT):
            (photos / f"{number:02}.png").rename(saved / f"{number:02}.png")

    with monkeypatch.context() as patch:
        during(patch, 7, hide)
        with pytest.raises(DataError, match=r"\d\d\.png does not exist") as caught:
            train(photos, tmp_path / "run")
    assert "Put back what was there at the start; then continue with" in str(caught.value)
    manifest = unsealed(tmp_path / "run" / "checkpoints" / "manifest.json")
    assert manifest["checkpoints"][-1]["step"] in (6, 9) and not (tmp_path / "run" / "result.json").exists()
    for file in saved.iterdir():
        file.rename(photos / file.name)
    tutelage.train(resume=tmp_path / "run")
    assert digests(tmp_path / "run") == digests(whole)


def test_lost_images_are_skipped_where_that_is_set(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    during(monkeypatch, 7, lambda: lose(photos, 30))
    flags = [flag for name, value in SETTINGS.items() for flag in (f"--{name}", str(value))]
    flags[0] = "--method"
    assert (
        cli.run(["train", str(photos), "--out", str(tmp_path / "run"), "--no-report", "--skip-unreadable", *flags]) == 0
    )
    shown = " ".join(capsys.readouterr().out.split())
    assert "- left out:" in shown and ".png does not exist" in shown
    assert (tmp_path / "run" / "result.json").exists()


def test_a_command_that_loses_its_images_ends_with_code_2(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    during(monkeypatch, 7, lambda: lose(photos))
    flags = [flag for name, value in SETTINGS.items() for flag in (f"--{name}", str(value))]
    flags[0] = "--method"
    assert cli.run(["train", str(photos), "--out", str(tmp_path / "run"), "--no-report", *flags]) == 2
    said = capsys.readouterr().err
    assert "does not exist" in said and f"--resume {tmp_path / 'run'}" in said and "Traceback" not in said


def test_a_moco_pretraining_is_streamed_too(photos: Path, tmp_path: Path) -> None:
    settings = {"network.name": "small", "network.width": 8, "train.steps": 3, "train.batch_size": 8}
    settings |= {"method.queue_size": 16, "data.stream": "always", "train.log_every": 1}
    seen: list[int] = []
    fetch = StreamedImages.fetch

    def counting(self: StreamedImages, rows: Any) -> Any:
        seen.append(len(rows))
        return fetch(self, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StreamedImages, "fetch", counting)
        tutelage.pretrain(photos, out=tmp_path / "run", settings=settings)
    assert 8 in seen and (tmp_path / "run" / "result.json").exists()
