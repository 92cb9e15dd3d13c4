from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch

from support.runs import unsealed
from tutelage.core.errors import CheckpointError, RunError
from tutelage.training.checkpoint import (
    NO_LOG,
    Checkpoint,
    GrowingLog,
    LogMark,
    is_checkpoint_file,
    load_checkpoint,
    save_checkpoint,
)


def checkpoint(step: int) -> Checkpoint:
    tensors = {"weight": torch.full((3, 2), float(step)), "count": torch.tensor(step), "flag": torch.tensor(True)}
    return Checkpoint(step, tensors, {"window_count": step, "scaler": {}})


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(7))
    loaded = load_checkpoint(tmp_path)
    assert loaded.step == 7
    assert loaded.values["window_count"] == 7
    for name, tensor in checkpoint(7).tensors.items():
        assert torch.equal(loaded.tensors[name], tensor)
        assert loaded.tensors[name].dtype == tensor.dtype


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    huge = torch.zeros(1).expand(2**50)
    with pytest.raises(RunError, match=r"cannot write .*2\.safetensors: it needs 9,007,\S+ MB of disk space"):
        save_checkpoint(tmp_path, Checkpoint(2, {"weight": huge}, {}))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "step-00000001.safetensors"]
    assert load_checkpoint(tmp_path).step == 1


def test_the_two_newest_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4):
        save_checkpoint(tmp_path, checkpoint(step))
    assert sorted(p.name for p in tmp_path.glob("*.safetensors")) == [
        "step-00000003.safetensors",
        "step-00000004.safetensors",
    ]


def test_saving_an_earlier_step_again_forgets_the_later_one(tmp_path: Path) -> None:
    for step in (1, 2, 3, 2):
        save_checkpoint(tmp_path, checkpoint(step))
    assert load_checkpoint(tmp_path).step == 2


def test_a_file_of_someone_else_is_never_written_over(tmp_path: Path) -> None:
    foreign = tmp_path / "step-00000002.safetensors"
    foreign.write_bytes(b"notes")
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, checkpoint(step))
        assert load_checkpoint(tmp_path).step == step
    assert foreign.read_bytes() == b"notes"
    assert all(is_checkpoint_file(path.name) for path in tmp_path.iterdir())
    save_checkpoint(tmp_path, checkpoint(4))
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == [
        "step-00000002.safetensors",
        "step-00000003.safetensors",
        "step-00000004.safetensors",
    ]


def test_the_mark_of_a_growing_log_is_that_of_what_was_written(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    growing = GrowingLog(log)
    assert growing.mark() == NO_LOG
    for text in ("one\n", "two\nthree\n", ""):
        with log.open("a") as stream:
            stream.write(text)
        assert growing.mark() == LogMark.of(log.read_bytes())
    written = log.read_bytes() + b"four\n"
    log.write_bytes(b"X" + written[1:])  # damage to what was read already
    assert growing.mark() == LogMark.of(written)


def test_a_file_that_the_manifest_does_not_name_counts_for_nothing(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    (tmp_path / "step-00000009.safetensors").write_bytes((tmp_path / "step-00000001.safetensors").read_bytes())
    assert load_checkpoint(tmp_path).step == 1


def test_every_flipped_bit_and_every_truncation_is_found_and_the_one_before_is_taken(tmp_path: Path) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, checkpoint(step))
    newest = tmp_path / "step-00000002.safetensors"
    good = newest.read_bytes()
    draw = random.Random(0)
    damages = [("flip", draw.randrange(8 * len(good))) for _ in range(1000)]
    damages += [("cut", draw.randrange(len(good))) for _ in range(300)]
    found = 0
    for kind, place in damages:
        if kind == "flip":
            broken = bytearray(good)
            broken[place // 8] ^= 1 << (place % 8)
            newest.write_bytes(broken)
        else:
            newest.write_bytes(good[:place])
        with pytest.warns(RuntimeWarning, match="resuming from step-00000001.safetensors"):
            found += load_checkpoint(tmp_path).step == 1
    assert found == len(damages)


def test_without_a_good_checkpoint_it_is_an_error_never_a_fresh_start(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        load_checkpoint(tmp_path)
    save_checkpoint(tmp_path, checkpoint(1))
    (tmp_path / "step-00000001.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no usable checkpoint in .*No such file"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "checkpoints": [{"step": 1}]}'])
def test_a_damaged_manifest_is_an_error(tmp_path: Path, text: str) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(tmp_path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    manifest = unsealed(tmp_path / "manifest.json")
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    with pytest.raises(CheckpointError, match="format 99"):
        load_checkpoint(tmp_path)


def test_a_manifest_cannot_point_outside_its_folder(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    manifest = unsealed(tmp_path / "manifest.json")
    manifest["checkpoints"][0]["file"] = "../elsewhere"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="outside its folder"):
        load_checkpoint(tmp_path)


def test_nan_is_never_saved(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    bad = Checkpoint(2, {"weight": torch.tensor([1.0, float("nan")])}, {})
    with pytest.raises(CheckpointError, match="step 2: weight holds NaN"):
        save_checkpoint(tmp_path, bad)
    assert load_checkpoint(tmp_path).step == 1


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file is in the way")
    with pytest.raises(RunError, match="cannot create the folder"):
        save_checkpoint(tmp_path / "checkpoints", checkpoint(1))
