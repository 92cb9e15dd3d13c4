import numpy as np
import pytest
import torch

from tutelage.augment.contact_sheet import LARGEST_SIDE, MARGIN, SMALLEST_SIDE, TITLE, contact_sheet
from tutelage.augment.view import ImageShape
from tutelage.augment.views import build_views
from tutelage.config.augment import AugmentConfig
from tutelage.core.seeding import generator

NAMES = ("weak", "strong")


def views(shape: ImageShape) -> dict:
    return dict(zip(NAMES, build_views(NAMES, AugmentConfig(), shape), strict=True))


def random_images(*size: int) -> torch.Tensor:
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=generator(0, "images"))


@pytest.mark.parametrize("size", [(2, 3, 32, 32), (1, 1, 8, 8), (1, 3, 300, 200)])
def test_the_first_column_shows_the_image_itself(size):
    images = random_images(*size)
    sheet = contact_sheet(images, views(ImageShape(*size[1:])), 3, 0)
    factor = max(1, -(-SMALLEST_SIDE // max(size[2:])))
    tile_height, tile_width = size[2] * factor, size[3] * factor
    if max(tile_height, tile_width) > LARGEST_SIDE:
        assert sheet.width < 5 * LARGEST_SIDE
        return
    assert sheet.width == MARGIN + 4 * (tile_width + MARGIN)
    shown = np.asarray(sheet.convert("RGB"))[MARGIN + TITLE :][:tile_height, MARGIN : MARGIN + tile_width]
    expected = images[0].expand(3, -1, -1).permute(1, 2, 0).numpy().repeat(factor, 0).repeat(factor, 1)
    assert np.array_equal(shown, expected)


def test_the_same_seed_gives_the_same_sheet_and_another_gives_another():
    images, shown = random_images(1, 3, 32, 32), views(ImageShape(3, 32, 32))
    first, same, other = (contact_sheet(images, shown, 4, seed).tobytes() for seed in (0, 0, 1))
    assert first == same != other


def test_arrays_are_shown_like_tensors():
    images, shown = random_images(1, 3, 32, 32), views(ImageShape(3, 32, 32))
    assert contact_sheet(images.numpy(), shown, 2, 0).tobytes() == contact_sheet(images, shown, 2, 0).tobytes()


def test_nothing_to_show_is_an_error():
    shown = views(ImageShape(3, 32, 32))
    with pytest.raises(ValueError, match="got 0 images, 2 views and 3 draws"):
        contact_sheet(random_images(0, 3, 32, 32), shown, 3, 0)
    with pytest.raises(ValueError, match="got 1 images, 0 views"):
        contact_sheet(random_images(1, 3, 32, 32), {}, 3, 0)


def test_paper_is_clear_and_letters_can_be_read_on_white_and_on_dark():
    sheet = np.asarray(contact_sheet(random_images(1, 3, 32, 32), views(ImageShape(3, 32, 32)), 2, 0))
    assert (sheet[:MARGIN, :, 3] == 0).all()
    letters = sheet[MARGIN : MARGIN + TITLE]
    assert letters[..., 3].max() == 255
    ink = letters[letters[..., 3] == 255][0, :3] / 255.0
    linear = np.where(ink <= 0.03928, ink / 12.92, ((ink + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
    dark = 0.0086  # of #14171d
    assert 1.05 / (linear + 0.05) > 4.0 and (linear + 0.05) / (dark + 0.05) > 4.0
