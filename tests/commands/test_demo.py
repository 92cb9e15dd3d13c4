from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from tutelage.commands import demo_photos
from tutelage.commands.demo import run_demo
from tutelage.commands.demo_photos import ROWS, SCRATCH, run_folders
from tutelage.core.errors import ConfigError, RunError
from tutelage.data.images import patches
from tutelage.networks.published import has_pretrained
from tutelage.run.run_record import RunRecord


@pytest.fixture(scope="module", autouse=True)
def _few_patches() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_photos, "TRAIN", 4)
        patch.setattr(demo_photos, "TEST", 2)
        patch.setattr(demo_photos, "PHOTO_SEEDS", 1)
        patch.setitem(ROWS, SCRATCH, ("supervised-cpu", {"train.steps": 2, "data.image_size": 16}))
        yield


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """A demo of two draws: its folder, what it measured, and what it said."""
    text, out = io.StringIO(), tmp_path_factory.mktemp("runs") / "demo"
    measured = run_demo(seeds=2, steps=6, out=out, overwrite=False, console=Console(file=text, width=100))
    return out, measured, text.getvalue()


@pytest.mark.long
def test_the_demo_trains_all_methods_on_the_same_labels_and_tells_the_paired_gains(
    done: tuple[Path, dict[str, Any], str],
) -> None:
    out, measured, said = done
    assert {method: len(values) for method, values in measured["accuracy"].items()} == {
        "supervised": 2,
        "mean-teacher": 2,
        "fixmatch": 2,
    }
    for method in ("mean-teacher", "fixmatch"):
        gains = [
            100 * (b - a) for a, b in zip(measured["accuracy"]["supervised"], measured["accuracy"][method], strict=True)
        ]
        assert measured["gains"][method].mean == pytest.approx(sum(gains) / 2)
        assert f"Paired gain of {method}: {measured['gains'][method].mean:+.1f} points" in said
    for seed in range(2):
        splits = [(out / f"{m}-{seed}" / "split.json").read_text() for m in measured["accuracy"]]
        assert splits[0] == splits[1]


@pytest.mark.long
def test_the_demo_keeps_nothing_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(demo_photos, "has_pretrained", lambda: False)
    run_demo(seeds=1, steps=2, out=None, overwrite=False, console=Console(file=io.StringIO()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_the_demo_refuses_wrong_numbers_and_runs_in_the_way(done: tuple[Path, dict[str, Any], str]) -> None:
    console = Console(file=io.StringIO())
    with pytest.raises(ConfigError, match="--seeds"):
        run_demo(seeds=0, steps=1, out=None, overwrite=False, console=console)
    with pytest.raises(RunError, match="holds a run already"):
        run_demo(seeds=1, steps=1, out=done[0], overwrite=False, console=console)


@pytest.mark.long
def test_the_demo_trains_on_photos_in_three_ways(done: tuple[Path, dict[str, Any], str]) -> None:
    out, measured, said = done
    if not has_pretrained():
        assert measured["photos"] == {} and "Photos are left out" in said
        pytest.skip("no pretrained network is installed")
    assert list(measured["photos"]) == list(ROWS)
    records = [RunRecord(run) for run in run_folders(out, range(1))[0]]
    assert [record.cfg.frozen for record in records] == [False, True, True]
    assert [record.cfg.method for record in records] == ["supervised", "linear", "softmatch"]
    assert len({str(record.split["labeled"]) for record in records}) == 1 and records[0].labels == 16
    for values, record in zip(measured["photos"].values(), records, strict=True):
        assert values == [record.final["test"][record.final["evaluated"]]["accuracy"]]
    for row in ROWS:
        assert f"│ {row} " in said


def test_patches_for_training_and_testing_have_no_pixel_in_common(tmp_path: Path, monkeypatch: Any) -> None:
    steps = np.arange(200 * 400, dtype=np.uint32).reshape(200, 400)  # each pixel has a number of its own
    photo = np.stack([steps & 255, steps >> 8 & 255, steps >> 16], axis=-1).astype(np.uint8)
    seen: list[np.ndarray] = []
    monkeypatch.setattr(patches, "_photos", lambda: {"steps": photo})
    monkeypatch.setattr(patches.Image, "fromarray", lambda area: seen.append(area) or Image.new("RGB", (8, 8)))
    train, test = patches.write_patches(tmp_path / "out", train=20, test=10)
    assert len(list((train / "steps").iterdir())) == 20 and len(list((test / "steps").iterdir())) == 10
    numbers = [set((part.astype(np.uint32) @ np.array([1, 256, 65536])).ravel().tolist()) for part in seen]
    assert all(len(part) == patches.SIZE**2 for part in numbers)
    assert not set.union(*numbers[:20]) & set.union(*numbers[20:])


def test_patches_show_eight_subjects_and_follow_from_the_seed(tmp_path: Path) -> None:
    files = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train, _ = patches.write_patches(tmp_path / name, train=1, test=1, seed=seed)
        files.append({path.parent.name: path.read_bytes() for path in sorted(train.rglob("*.png"))})
    assert len(files[0]) == 8 and files[0] == files[1] != files[2]
