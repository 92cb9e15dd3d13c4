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
from tutelage.config.data import DataConfig
from tutelage.core.console import screen
from tutelage.core.errors import DataError
from tutelage.data.images import reading, survey
from tutelage.data.images.check import check_images
from tutelage.data.images.dataset import ImageDataset, load_images
from tutelage.data.images.image_cache import ImageCache
from tutelage.data.images.inventory import take_image_inventory
from tutelage.data.images.reader import ImageReader
from tutelage.data.images.streaming import Wanted
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

    def counted(content: Any, **given: Any) -> Any:
        counts[hashlib.sha256(content).hexdigest()] += 1
        return original(content, **given)

    for module in (survey, reading):
        monkeypatch.setattr(module, "decode_image", counted)
    yield counts


def counts_of(decoded: Counter[str], folder: Path) -> set[int]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return {decoded[hashlib.sha256(path.read_bytes()).hexdigest()] for path in files}


def looked_at_first(config: DataConfig) -> ImageDataset:
    """Surveyed without pixels, then decoded."""
    return load_images(config, seed=0, inventory=take_image_inventory(config))


def assert_same(a: ImageDataset, b: ImageDataset) -> None:
    np.testing.assert_array_equal(a.train.images, b.train.images)
    assert (a.split_record(), a.facts, a.notes) == (b.split_record(), b.facts, b.notes)
    assert a.val is not None
    assert b.val is not None
    np.testing.assert_array_equal(a.val.images.images[a.val.rows], b.val.images.images[b.val.rows])
    np.testing.assert_array_equal(a.val.labels, b.val.labels)


def test_without_a_cache_all_but_test_images_are_decoded_once(photos: Path, decoded: Counter[str]) -> None:
    config, reader = DataConfig(path=str(photos)), ImageReader(2)
    report = check_images(config, reader=reader, decode=True)
    report.raise_faults()
    data = load_images(config, seed=0, reader=reader, inventory=report.inventory)
    for part in ("train", "unlabeled", "val"):
        assert counts_of(decoded, photos / part) == {1}
    assert counts_of(decoded, photos / "test") == {1}  # for their faults
    assert data.seconds_per_image > 0.0
    data.load_test()
    assert counts_of(decoded, photos / "test") == {2}
    assert_same(data, looked_at_first(config))


def test_with_a_cache_every_image_is_decoded_once_for_all_commands(
    photos: Path, cache: ImageCache, decoded: Counter[str]
) -> None:
    config = DataConfig(path=str(photos))
    for seed in (0, 1):  # two commands
        report = check_images(config, reader=ImageReader(2, cache), decode=True)
        data = load_images(config, seed=seed, reader=ImageReader(2, cache), inventory=report.inventory)
        data.load_test()
        for part in ("train", "unlabeled", "val", "test"):
            assert counts_of(decoded, photos / part) == {1}
        assert isinstance(data.train.images, np.memmap) and data.seconds_per_image == 0.0
    assert_same(load_images(config, seed=0, reader=ImageReader(1, cache)), looked_at_first(config))


def test_a_training_decodes_each_image_once(photos: Path, tmp_path: Path, decoded: Counter[str]) -> None:
    given = {"data.path": str(photos), "method.name": "fixmatch", "train.workers": 2, "train.steps": 1}
    module = ImageModule(screen(quiet=True), torch.device("cpu"))
    module.load(module.settle(resolve(given), tmp_path / "run"), tmp_path / "run")
    for part in ("train", "unlabeled", "val", "test"):
        assert counts_of(decoded, photos / part) == {1}


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


def test_the_cache_of_other_images_is_not_taken(photos: Path, cache: ImageCache) -> None:
    config = DataConfig(path=str(photos))
    before = load_images(config, seed=0, reader=ImageReader(cache=cache))
    write_image(photos / "train" / "cat" / "0.jpg", (64, 48), 7777)
    (photos / "train" / "cat" / "0.png").unlink(missing_ok=True)
    after = load_images(config, seed=0, reader=ImageReader(cache=cache))
    assert after.fingerprint != before.fingerprint
    assert_same(after, looked_at_first(config))


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(("size", "mode", "base"), [((400, 400), "L", "L"), ((32, 32), "RGB", "L")])
def test_an_unreadable_image_that_is_left_out_changes_neither_size_nor_channels(
    tmp_path: Path, cached: bool, cache: ImageCache, size: tuple[int, int], mode: str, base: str
) -> None:
    root = tmp_path / "photos"
    for number in range(60):
        write_image(root / "ab"[number % 2] / f"{number}.png", (32, 32), number, base)
    plain = DataConfig(path=str(root), skip_unreadable=True)
    whole = load_images(plain, seed=0)
    odd = root / "a" / "odd.png"
    write_image(odd, size, 99, mode)
    odd.write_bytes(odd.read_bytes()[:-400])  # its header is fine
    for _ in range(2):
        data = load_images(plain, seed=0, reader=ImageReader(1, cache if cached else None))
        np.testing.assert_array_equal(data.train.images, whole.train.images)
        assert data.split_record() == whole.split_record()
        assert any("1 unreadable ones left out" in note for note in data.notes)


def test_faults_are_those_of_a_survey_the_second_time_too(photos: Path, cache: ImageCache) -> None:
    for number, name in enumerate(["train/cat/0", "train/dog/3", "val/cat/1", "unlabeled/2", "test/dog/0"]):
        [path] = photos.glob(f"{name}.*")
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if number % 2 == 0 else b"")
    config = DataConfig(path=str(photos))
    plain = take_image_inventory(config)
    assert len(plain.faults) == 5
    for _ in range(2):
        kept = take_image_inventory(config, reader=ImageReader(cache=cache), decode=True)
        assert (kept.faults, kept.warnings, kept.pixels) == (plain.faults, plain.warnings, {})
        with pytest.raises(DataError) as error:
            load_images(config, seed=0, reader=ImageReader(cache=cache))
        assert error.value.faults == plain.faults
    [path] = photos.glob("train/cat/0.*")
    write_image(path, (40, 52), 5)  # mended
    assert len(take_image_inventory(config, reader=ImageReader(cache=cache), decode=True).faults) == 4


def test_arrays_and_shards_tell_their_sizes_without_their_pixels(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", x=draw.random((60, 3, 20, 20), np.float32), y=np.arange(60) % 2)
    config = DataConfig(path=str(tmp_path / "a.npz"))
    sizes: list[set[Any]] = []

    def settled(found: Any) -> Wanted:
        sizes.append({(look.size, look.mode, look.digest) for look in found.parts["train"].looks})
        return Wanted(config)

    inventory = take_image_inventory(config, decode=True, settled=settled)
    assert sizes == [{((20, 20), "RGB", b"")}]
    data = load_images(config, seed=0, inventory=inventory)
    assert data.train.images.shape == (60, 3, 20, 20)
    assert data.fingerprint == looked_at_first(config).fingerprint
