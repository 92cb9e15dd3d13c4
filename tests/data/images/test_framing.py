"""How images of any shape become squares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tutelage.config.data import DataConfig
from tutelage.core.errors import ConfigError
from tutelage.data.images.dataset import load_images
from tutelage.data.images.framing import FULL_CROP, Framing
from tutelage.data.images.image_cache import ImageCache
from tutelage.data.images.image_set import decode
from tutelage.data.images.inventory import take_image_inventory
from tutelage.data.images.items import Files, Item
from tutelage.data.images.reader import ImageReader
from tutelage.data.images.size import choose_framing, choose_mode, choose_size, framing_note
from tutelage.data.images.survey import ImageLook, read_images, read_pixels


def looks(*sizes: tuple[int, int]) -> list[ImageLook]:
    return [ImageLook(size, "RGB", b"") for size in sizes]


def wide_gray() -> NDArray[np.uint8]:
    """10 x 30 pixels: 0, then 200, then 100."""
    return np.repeat([[0] * 10 + [200] * 10 + [100] * 10], 10, 0).astype(np.uint8)


def folder_of(root: Path, size: tuple[int, int], each: int = 6) -> Path:
    draw = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for number in range(each):
            pixels = draw.integers(0, 256, (size[1], size[0], 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


def test_a_crop_takes_the_middle_square() -> None:
    assert np.unique(FULL_CROP.to_square(wide_gray(), 5, 1)).tolist() == [200]
    assert FULL_CROP.to_square(wide_gray().T, 20, 3).shape == (3, 20, 20)


def test_an_image_of_the_right_size_is_not_touched() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    for framing in (Framing(), Framing("pad"), Framing("squash"), Framing(interpolation="bilinear")):
        np.testing.assert_array_equal(framing.to_square(image, 4, 3), image.transpose(2, 0, 1))


def test_one_pixel_can_be_enlarged() -> None:
    for framing in (Framing(), Framing("pad"), Framing("squash"), Framing(crop_share=0.1)):
        assert np.unique(framing.to_square(np.full((1, 1), 77, np.uint8), 8, 1)).tolist() == [77]


def test_padding_keeps_the_whole_image_between_two_bars_of_its_mean() -> None:
    square = Framing("pad").to_square(wide_gray(), 30, 1)[0]
    np.testing.assert_array_equal(square[10:20], wide_gray())
    assert np.unique(square[:10]).tolist() == np.unique(square[20:]).tolist() == [100]
    upright = Framing("pad").to_square(wide_gray().T, 30, 1)[0]
    np.testing.assert_array_equal(upright, square.T)


def test_bars_have_the_mean_of_each_color() -> None:
    image = np.zeros((4, 8, 3), np.uint8)
    image[:, :4] = (200, 100, 0)
    image[:, 4:] = (100, 100, 50)
    square = Framing("pad").to_square(image, 8, 3)
    assert square[:, 0, 0].tolist() == [150, 100, 25]
    np.testing.assert_array_equal(square[:, 2:6], image.transpose(2, 0, 1))


def test_an_extremely_long_image_still_leaves_a_line() -> None:
    square = Framing("pad").to_square(np.full((1, 1000), 9, np.uint8), 16, 1)
    assert square.shape == (1, 16, 16)
    assert np.unique(square).tolist() == [9]


def test_squashing_stretches_the_whole_image() -> None:
    square = Framing("squash").to_square(wide_gray(), 30, 1)[0]
    assert (square[:, :7] < 30).all() and (square[:, 12:18] > 170).all()
    assert (square[:, 23:] > 90).all() and (square[:, 23:] < 110).all()
    assert (square == square[0]).all()


def test_a_crop_share_takes_so_much_of_the_shorter_side() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 40), np.uint8)
    square = Framing(crop_share=0.5).to_square(pixels, 10, 1)[0]
    np.testing.assert_array_equal(square, pixels[5:15, 15:25])
    equal = Framing(crop_share=0.5).to_square(pixels[:, :20], 20, 1)[0]
    middle = Image.fromarray(pixels[5:15, 5:15]).resize((20, 20), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(equal, np.asarray(middle).astype(int), atol=2)


@pytest.mark.parametrize(("name", "filter_"), [("bicubic", Image.Resampling.BICUBIC), ("bilinear", Image.BILINEAR)])
def test_the_filter_is_the_one_that_is_named(name: str, filter_: Image.Resampling) -> None:
    image = np.random.default_rng(1).integers(0, 256, (30, 30, 3), np.uint8)
    framing = Framing(interpolation=name)  # type: ignore[arg-type]
    for size in (12, 47):
        expected = np.asarray(Image.fromarray(image).resize((size, size), filter_)).transpose(2, 0, 1)
        np.testing.assert_allclose(framing.to_square(image, size, 3), expected.astype(int), atol=2)


def test_a_large_jpeg_is_decoded_at_a_scale_that_suits_the_crop_share(tmp_path: Path) -> None:
    """Decoded too small, a crop of a quarter would be enlarged."""
    fine = np.zeros((1024, 1024), np.uint8)
    fine[:, ::8] = 255
    Image.fromarray(fine).save(tmp_path / "a.jpg", quality=95)
    items = [Item("a.jpg", None, Files(tmp_path), "a.jpg")]
    framing = Framing(crop_share=0.125)
    (pixels,) = read_pixels(items, size=128, channels=1, framing=framing)
    (read,) = read_images(items, size=128, channels=1, framing=framing)
    assert isinstance(pixels, np.ndarray) and isinstance(read, tuple)
    assert pixels.std() > 60  # the lines are gone at a quarter of the size
    np.testing.assert_array_equal(pixels, read[1])


@pytest.mark.parametrize(
    ("sizes", "mode"),
    [
        ([(100, 100)] * 4, "crop"),
        ([(640, 480)] * 4, "crop"),
        ([(600, 400)] * 4, "crop"),
        ([(1920, 1080)] * 4, "pad"),
        ([(300, 100)] * 4, "pad"),
        ([(100, 300)] * 4, "pad"),
        ([(300, 100)] + [(100, 100)] * 4, "crop"),
        ([(300, 100)] * 2 + [(100, 100)] * 4, "pad"),
    ],
)
def test_wide_images_are_padded_where_nothing_else_is_asked(sizes: list[tuple[int, int]], mode: str) -> None:
    assert choose_mode(looks(*sizes)) == mode
    assert choose_framing(looks(*sizes), DataConfig(path="x")).mode == mode
    assert choose_framing(looks(*sizes), DataConfig(path="x", resize="squash")).mode == "squash"
    assert choose_framing(looks(*sizes), DataConfig(path="x", crop_share=0.9)) == Framing(crop_share=0.9)


def test_python_is_told_which_keyword_frames_otherwise() -> None:
    few = framing_note(looks(*[(300, 100)] * 2, *[(400, 300)] * 10), FULL_CROP)
    assert few is not None and "(resize='pad' keeps whole images)" in few


@pytest.mark.usefixtures("by_flags")
def test_what_is_left_out_is_said() -> None:
    assert framing_note(looks(*[(50, 50)] * 3), FULL_CROP) is None
    assert framing_note(looks(*[(50, 50)] * 3), Framing("pad")) is None
    padded = framing_note(looks(*[(300, 100)] * 3), Framing("pad"))
    assert padded is not None and "padded" in padded and "would leave out 67% of each image" in padded
    mixed = framing_note(looks(*[(300, 100), (200, 100)] * 4, (100, 100)), Framing("squash"))
    assert mixed is not None and "stretched" in mixed and "at least 67% of a quarter of the images" in mixed
    few = framing_note(looks(*[(300, 100)] * 2, *[(400, 300)] * 10), FULL_CROP)
    assert few is not None and "2 of 12 lose more than a third of their area (--resize pad" in few
    usual = framing_note(looks(*[(400, 300)] * 10), FULL_CROP)
    assert usual is not None and "leaves out 25% of each image" in usual
    several = framing_note(looks(*[(400, 300)] * 10, (100, 100)), FULL_CROP)
    assert several is not None and "at most 25% of three quarters of the images" in several
    assert "more than a third" not in str(framing_note(looks(*[(600, 400), (500, 333)] * 5), FULL_CROP))
    assert "0.875 of the shorter side" in str(framing_note(looks((50, 50)), Framing(crop_share=0.875)))


def test_padded_images_are_as_large_as_their_long_sides() -> None:
    assert choose_size(looks((90, 30)), None, "pad") == (90, "images are 90 x 90, padded from 90 x 30")
    assert choose_size(looks((90, 30)), None)[0] == 30
    assert choose_size(looks((90, 30), (64, 30)), None, "pad")[0] == 80
    assert choose_size(looks((900, 300)), None, "pad")[0] == 224
    assert choose_size(looks((900, 300)), 48, "pad")[0] == 48


def test_loading_frames_every_part_and_says_so(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "photos", (36, 12))
    config = DataConfig(path=str(root), test=str(root))
    data = load_images(config, seed=0)
    assert data.train.images.shape == (12, 3, 36, 36)
    assert any("padded to squares with their mean color" in note for note in data.notes)
    with Image.open(root / "cat" / "0.png") as image:
        expected = Framing("pad").to_square(np.array(image), 36, 3)
    np.testing.assert_array_equal(data.train.images[data.train.names.index("cat/0.png")], expected)
    np.testing.assert_array_equal(data.load_test().images.images, data.train.images)
    cropped = load_images(DataConfig(path=str(root), resize="crop"), seed=0)
    assert cropped.train.images.shape == (12, 3, 12, 12)
    assert any("12 of 12 lose more than a third" in note for note in cropped.notes)


def test_a_single_pass_keeps_what_loading_takes(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "photos", (36, 12))
    for resize in ("auto", "crop", "squash"):
        config, reader = DataConfig(path=str(root), resize=resize), ImageReader()  # type: ignore[arg-type]
        inventory = take_image_inventory(config, reader=reader, decode=True)
        data = load_images(config, seed=0, reader=reader, inventory=inventory)
        assert reader.rows == 12  # decoded once
        np.testing.assert_array_equal(data.train.images, load_images(config, seed=0).train.images)


def test_cached_pixels_of_another_framing_are_not_taken(tmp_path: Path, cache: ImageCache) -> None:
    root = folder_of(tmp_path / "photos", (36, 12))
    seen: list[NDArray[np.uint8]] = []
    for changes in (
        {"resize": "crop"},
        {"resize": "pad"},
        {"resize": "squash"},
        {"resize": "crop", "crop_share": 0.5},
        {"resize": "squash", "interpolation": "bilinear"},
    ):
        config = DataConfig(path=str(root), image_size=10, **changes)  # type: ignore[arg-type]
        cached = load_images(config, seed=0, reader=ImageReader(cache=cache)).train.images
        assert isinstance(cached, np.memmap)
        plain = load_images(config, seed=0).train.images
        np.testing.assert_array_equal(cached, plain)
        assert not any((cached == other).all() for other in seen)
        seen.append(plain)
    assert len(list(cache.folder.glob("*.npy"))) == len(seen)


def test_decoding_takes_the_framing(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "photos", (36, 12), each=1)
    items = [Item("cat/0.png", "cat", Files(root), "cat/0.png")]
    whole = decode(items, ("cat",), size=9, channels=1, framing=Framing("squash")).images
    assert (whole != decode(items, ("cat",), size=9, channels=1).images).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop_share": 0.0}, r"data.crop_share must be in \[0.1, 1\], got 0.0"),
        ({"crop_share": 1.5}, r"data.crop_share must be in \[0.1, 1\], got 1.5"),
        ({"crop_share": 0.9, "resize": "pad"}, "data.crop_share does nothing with data.resize = 'pad'"),
    ],
)
def test_crop_shares_that_mean_nothing_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DataConfig(path="x", **settings)  # type: ignore[arg-type]
