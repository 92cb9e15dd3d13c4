"""Each image that training needs is decoded once, and the result is that of looking first and decoding later."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tutelage.config import resolve
from tutelage.config.settings import DataConfig
from tutelage.core.console import screen
from tutelage.core.errors import DataError
from tutelage.data.images import reading, survey
from tutelage.data.images.check import check_images
from tutelage.data.images.dataset import ImageDataset, load_images
from tutelage.data.images.image_set import PixelCache
from tutelage.data.images.inventory import take_image_inventory
from tutelage.run.data_modules.images import ImageModule

SIZES = [(40, 52), (64, 48), (90, 70)]


def write_image(path: Path, size: tuple[int, int], seed: int, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images of several sizes and two formats in all four parts."""
    root, seed = tmp_path / "photos", 0
    for split, count in (("train", 26), ("val", 4), ("test", 4)):
        for name in ("cat", "dog"):
            for number in range(count):
                seed += 1
                write_image(root / split / name / f"{number}.{('png', 'jpg')[seed % 2]}", SIZES[seed % 3], seed)
    for number in range(9):
        write_image(root / "unlabeled" / f"{number}.png", SIZES[number % 3], 1000 + number)
    return root


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often each content is decoded."""
    counts: Counter[str] = Counter()
    original = survey.decode_image

    def counted(content: Any, *, at_least: int) -> Any:
        counts[hashlib.sha256(content).hexdigest()] += 1
        return original(content, at_least=at_least)

    for module in (survey, reading):
        monkeypatch.setattr(module, "decode_image", counted)
    yield counts


def counts_of(decoded: Counter[str], folder: Path) -> set[int]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return {decoded[hashlib.sha256(path.read_bytes()).hexdigest()] for path in files}


def cache_of(config: DataConfig, folder: Path) -> PixelCache:
    return PixelCache(folder, config.memory_limit_mb * 2**20)


def looked_at_first(config: DataConfig, folder: Path) -> ImageDataset:
    """Surveyed without pixels, then decoded."""
    return load_images(config, seed=0, cache_dir=folder, inventory=take_image_inventory(config))


def assert_same(a: ImageDataset, b: ImageDataset) -> None:
    np.testing.assert_array_equal(a.train.images, b.train.images)
    assert (a.split_record(), a.facts, a.notes) == (b.split_record(), b.facts, b.notes)
    assert a.val is not None
    assert b.val is not None
    np.testing.assert_array_equal(a.val.images.images[a.val.rows], b.val.images.images[b.val.rows])
    np.testing.assert_array_equal(a.val.labels, b.val.labels)


@pytest.mark.parametrize("memory_limit_mb", [4096, 0])
def test_training_and_validation_images_are_decoded_once(
    photos: Path, tmp_path: Path, decoded: Counter[str], memory_limit_mb: int
) -> None:
    config = DataConfig(path=str(photos), memory_limit_mb=memory_limit_mb)
    report = check_images(config, workers=2, cache=cache_of(config, tmp_path / "cache"))
    report.raise_faults()
    data = load_images(config, seed=0, workers=2, cache_dir=tmp_path / "cache", inventory=report.inventory)
    assert isinstance(data.train.images, np.memmap) == (memory_limit_mb == 0)
    for part in ("train", "unlabeled", "val"):
        assert counts_of(decoded, photos / part) == {1}
    assert counts_of(decoded, photos / "test") == {1}  # for their faults
    data.load_test()
    assert counts_of(decoded, photos / "test") == {2}
    assert data.seconds_per_image > 0.0
    assert_same(data, looked_at_first(config, tmp_path / "other"))


def test_a_training_decodes_each_image_once(photos: Path, tmp_path: Path, decoded: Counter[str]) -> None:
    given = {"data.path": str(photos), "method.name": "fixmatch", "train.workers": 2, "train.steps": 1}
    module = ImageModule(screen(quiet=True), torch.device("cpu"))
    module.load(module.settle(resolve(given), tmp_path / "run"), tmp_path / "run")
    for part in ("train", "unlabeled", "val"):
        assert counts_of(decoded, photos / part) == {1}
    assert module.decoding > 0.0


def test_a_method_that_is_chosen_with_an_image_size_of_its_own_decodes_once(
    tmp_path: Path, decoded: Counter[str]
) -> None:
    for number in range(60):
        write_image(tmp_path / "photos" / "ab"[number % 2] / f"{number}.png", (130, 120), number)
    module = ImageModule(screen(quiet=True), torch.device("cpu"))
    cfg = module.settle(resolve({"data.path": str(tmp_path / "photos"), "method.name": "auto"}), tmp_path / "run")
    assert cfg.data.image_size == 224  # of the pretrained network, while the images alone would be 120
    module.load(cfg, tmp_path / "run")
    assert module.data.image_size == 224
    assert counts_of(decoded, tmp_path / "photos") == {1}


def test_without_a_check_before_it_loading_decodes_once(photos: Path, tmp_path: Path, decoded: Counter[str]) -> None:
    config = DataConfig(path=str(photos), memory_limit_mb=0)
    first = load_images(config, seed=0, cache_dir=tmp_path)
    assert counts_of(decoded, photos) == {1}
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy")}
    assert len(written) == 2
    again = load_images(config, seed=0, cache_dir=tmp_path)  # as a resumed run, or another rank, does
    assert counts_of(decoded, photos) == {2}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy")} == written
    assert_same(first, again)


def test_the_cache_of_other_images_is_not_taken(photos: Path, tmp_path: Path) -> None:
    config = DataConfig(path=str(photos), memory_limit_mb=0)
    before = load_images(config, seed=0, cache_dir=tmp_path / "cache")
    write_image(photos / "train" / "cat" / "0.jpg", (64, 48), 7777)
    (photos / "train" / "cat" / "0.png").unlink(missing_ok=True)
    after = load_images(config, seed=0, cache_dir=tmp_path / "cache")
    assert after.fingerprint != before.fingerprint
    assert_same(after, looked_at_first(config, tmp_path / "other"))


@pytest.mark.parametrize("memory_limit_mb", [4096, 0])
@pytest.mark.parametrize(("size", "mode", "base"), [((400, 400), "L", "L"), ((32, 32), "RGB", "L")])
def test_an_unreadable_image_that_is_left_out_changes_neither_size_nor_channels(
    tmp_path: Path, memory_limit_mb: int, size: tuple[int, int], mode: str, base: str
) -> None:
    root = tmp_path / "photos"
    for number in range(60):
        write_image(root / "ab"[number % 2] / f"{number}.png", (32, 32), number, base)
    plain = DataConfig(path=str(root), memory_limit_mb=memory_limit_mb, skip_unreadable=True)
    whole = load_images(plain, seed=0, cache_dir=tmp_path / "whole")
    odd = root / "a" / "odd.png"
    write_image(odd, size, 99, mode)
    odd.write_bytes(odd.read_bytes()[:-400])  # its header is fine
    data = load_images(plain, seed=0, cache_dir=tmp_path / "cache")
    np.testing.assert_array_equal(data.train.images, whole.train.images)
    assert data.split_record() == whole.split_record()
    assert any("1 unreadable ones left out" in note for note in data.notes)
    if memory_limit_mb == 0:
        assert [p.name for p in (tmp_path / "cache").iterdir()] == [p.name for p in (tmp_path / "whole").iterdir()]


def test_faults_are_those_of_a_survey_and_leave_nothing_in_the_cache(photos: Path, tmp_path: Path) -> None:
    for number, name in enumerate(["train/cat/0", "train/dog/3", "val/cat/1", "unlabeled/2", "test/dog/0"]):
        [path] = photos.glob(f"{name}.*")
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if number % 2 == 0 else b"")
    config = DataConfig(path=str(photos), memory_limit_mb=0)
    plain = take_image_inventory(config)
    kept = take_image_inventory(config, cache=cache_of(config, tmp_path / "cache"))
    assert len(plain.faults) == 5
    assert (kept.faults, kept.warnings) == (plain.faults, plain.warnings)
    with pytest.raises(DataError) as error:
        load_images(config, seed=0, cache_dir=tmp_path / "cache")
    assert error.value.faults == plain.faults
    assert not list((tmp_path / "cache").glob("*"))


def test_a_fault_behind_a_good_header_drops_the_pixels(photos: Path, tmp_path: Path) -> None:
    [path] = (photos / "train" / "cat").glob("0.*")
    path.write_bytes(path.read_bytes()[:-500])
    config = DataConfig(path=str(photos), memory_limit_mb=0)
    found = take_image_inventory(config, cache=cache_of(config, tmp_path / "cache"))
    assert found.faults == take_image_inventory(config).faults
    assert len(found.faults) == 1
    assert not list((tmp_path / "cache").glob("*"))


def test_arrays_and_shards_tell_their_sizes_without_their_pixels(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", x=draw.random((60, 3, 20, 20), np.float32), y=np.arange(60) % 2)
    config = DataConfig(path=str(tmp_path / "a.npz"))
    sizes: list[set[Any]] = []

    def settled(found: Any) -> DataConfig:
        sizes.append({(look.size, look.mode, look.digest) for look in found.parts["train"].looks})
        return config

    inventory = take_image_inventory(config, cache=cache_of(config, tmp_path), settled=settled)
    assert sizes == [{((20, 20), "RGB", b"")}]
    data = load_images(config, seed=0, inventory=inventory)
    assert data.train.images.shape == (60, 3, 20, 20)
    assert data.fingerprint == looked_at_first(config, tmp_path).fingerprint
