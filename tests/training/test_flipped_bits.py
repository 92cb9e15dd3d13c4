"""A flipped bit in any file that a resume reads is found, or changes nothing."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tutelage
from support.runs import cut_back, unsealed
from tutelage.core.errors import CheckpointError, RunError
from tutelage.core.files import sha256
from tutelage.core.sealed import read_sealed, write_sealed
from tutelage.data.images.feature_store import FeatureStore
from tutelage.run.frozen_networks import BACKBONE_FILE, read_backbone
from tutelage.run.run_files import read_config, read_split
from tutelage.training.checkpoint import load_checkpoint

FLIPS = 400


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {
        "method.name": "supervised",
        "network.name": "small",
        "data.label_count": 40,
        "train.batch_size": 4,
        "train.steps": 4,
        "train.log_every": 1,
        "train.checkpoint_every": 2,
        "train.workers": 0,
    }
    return tutelage.train("digits", out=tmp_path_factory.mktemp("runs") / "whole", settings=settings).path


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return cut_back(whole, tmp_path / "run", 4)


def flipped(file: Path, count: int) -> Iterator[None]:
    """Flip one bit of a file at a time."""
    good, draw = file.read_bytes(), random.Random(0)
    for _ in range(count):
        broken, place = bytearray(good), draw.randrange(8 * len(good))
        broken[place // 8] ^= 1 << place % 8
        file.write_bytes(broken)
        yield
    file.write_bytes(good)


READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "config.json": read_config,
    "split.json": read_split,
    "result.json": lambda run: read_sealed(run / "result.json"),
}


@pytest.mark.parametrize("name", READERS)
def test_a_flipped_bit_in_a_file_of_a_run_is_found_or_harmless(name: str, whole: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    right, found = READERS[name](run), 0
    for _ in flipped(run / name, FLIPS):
        try:
            read = READERS[name](run)
        except RunError:
            found += 1
        else:
            assert {key: value for key, value in read.items() if key in right} == right
    assert found > 0.95 * FLIPS


@pytest.mark.filterwarnings("ignore:damaged")
def test_a_flipped_bit_in_the_manifest_never_loads_another_step(whole: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    for _ in flipped(run / "checkpoints" / "manifest.json", FLIPS):
        try:
            assert load_checkpoint(run / "checkpoints").step == 4
        except CheckpointError as error:
            assert "manifest.json is" in str(error)


def test_a_changed_step_does_not_skip_the_rest_of_the_training(whole: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    (run / "result.json").unlink()
    manifest = run / "checkpoints" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"step": 4', b'"step": 5'))
    with pytest.raises(CheckpointError, match="does not match its sha256"):
        tutelage.train(resume=run)
    assert not (run / "result.json").exists()


def test_a_flipped_bit_in_the_log_is_found(run: Path) -> None:
    mark = load_checkpoint(run / "checkpoints").log
    assert mark.size == (run / "metrics.jsonl").stat().st_size
    for _ in flipped(run / "metrics.jsonl", 5):
        with pytest.raises(RunError, match=r"metrics\.jsonl is damaged: its lines up to step 4"):
            tutelage.train(resume=run)


def test_a_damaged_line_of_the_speeds_is_dropped(run: Path) -> None:
    (run / "timing.jsonl").write_bytes(b'{"step": 1, "images_per_second": 7.0}\n\xff\n[]\n')
    tutelage.train(resume=run)
    assert (run / "timing.jsonl").read_text() == '{"step": 1, "images_per_second": 7.0}\n'


def test_a_flipped_bit_in_a_frozen_network_is_found(whole: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    run = Path(shutil.copytree(whole, tmp_path / "run"))
    save_file({"trunk.weight": torch.ones(4)}, run / BACKBONE_FILE)
    config, digest = unsealed(run / "config.json"), sha256((run / BACKBONE_FILE).read_bytes())
    write_sealed(run / "config.json", {**config, "files": {BACKBONE_FILE: digest}})
    assert len(read_backbone(run)) == 1
    for _ in flipped(run / BACKBONE_FILE, 50):
        with pytest.raises(CheckpointError, match="is damaged"):
            read_backbone(run)


def test_a_flipped_bit_in_a_kept_feature_is_found(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "a.sqlite", 8)
    store.put([(bytes(16), np.arange(8, dtype=np.float32))])
    content = (tmp_path / "a.sqlite").read_bytes()
    place = content.index(np.arange(8, dtype=np.float32).tobytes())
    for bit in range(0, 256, 7):
        broken = bytearray(content)
        broken[place + bit // 8] ^= 1 << bit % 8
        (tmp_path / "a.sqlite").write_bytes(broken)
        assert store.get([bytes(16)]) == {}
    (tmp_path / "a.sqlite").write_bytes(content)
    assert store.get([bytes(16)])[bytes(16)].tolist() == list(range(8))


def test_a_hash_is_that_of_the_values_and_may_be_left_out(tmp_path: Path) -> None:
    values = {"a": float("nan"), 1: (1, 2.5), "é": {"b": None}}
    write_sealed(tmp_path / "a.json", values)
    assert read_sealed(tmp_path / "a.json") == {"a": None, "1": [1, 2.5], "é": {"b": None}}
    (tmp_path / "b.json").write_text('{"by": "hand"}')
    assert read_sealed(tmp_path / "b.json") == {"by": "hand"}
