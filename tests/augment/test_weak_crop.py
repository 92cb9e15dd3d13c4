import re

import pytest
import torch
from PIL import Image
from torch import Tensor

from tutelage.augment.ct_augment import CTAugment
from tutelage.augment.view import ImageShape
from tutelage.augment.views import build_views
from tutelage.augment.weak import WeakCrop
from tutelage.config.augment import AugmentConfig, StrongConfig, WeakConfig
from tutelage.core.errors import ConfigError
from tutelage.core.seeding import generator

SHAPE = ImageShape(3, 32, 32)
RESIZED = WeakConfig(crop="resized")


def random_images(rows: int, shape: ImageShape = SHAPE) -> Tensor:
    size = (rows, shape.channels, shape.height, shape.width)
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=generator(0, "images"))


def pillow_crop(image: Tensor, flip: bool, box: list[int]) -> Tensor:
    """The same with Pillow: cut out, enlarge, mirror."""
    height, width = image.shape[1:]
    channels = []
    for channel in image:
        part = Image.fromarray(channel.numpy()).crop(box).resize((width, height), Image.Resampling.BILINEAR)
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else part
        channels.append(torch.frombuffer(bytearray(part.tobytes()), dtype=torch.uint8).view(height, width))
    return torch.stack(channels)


@pytest.mark.parametrize("shape", [SHAPE, ImageShape(1, 20, 13)])
def test_each_row_equals_its_own_crop_enlarged_by_pillow(shape):
    images, view = random_images(30, shape), WeakCrop(RESIZED)
    draws = view.draw(30, shape, generator(1, "draw"))
    cropped = view.apply(images, draws)
    for row in range(30):
        expected = pillow_crop(images[row], bool(draws["flip"][row]), draws["crop"][row].tolist())
        assert torch.equal(cropped[row], expected), f"row {row}"


@pytest.mark.parametrize("smallest", [0.75, 0.3])
def test_parts_have_the_share_of_the_area_and_the_ratio_that_were_asked_for(smallest):
    shape = ImageShape(3, 200, 200)
    draws = WeakCrop(WeakConfig(crop="resized", smallest_crop=smallest)).draw(5000, shape, generator(2, "draw"))
    left, top, right, bottom = draws["crop"].double().unbind(1)
    share, ratio = (right - left) * (bottom - top) / 200**2, (right - left) / (bottom - top)
    assert smallest - 0.01 <= share.min() < smallest + 0.02
    assert share.max() > 0.97
    assert ratio.min() > 0.74
    assert ratio.max() < 1.35
    assert abs(draws["flip"].float().mean() - 0.5) < 0.03


def test_the_settings_choose_the_form_of_the_weak_view_alone_and_below_a_strong_one():
    shifted, cropped = (build_views(("weak",), AugmentConfig(weak=cfg), SHAPE)[0] for cfg in (WeakConfig(), RESIZED))
    assert set(shifted.draw(2, SHAPE, generator(3, "draw"))) == {"flip", "shift"}
    assert set(cropped.draw(2, SHAPE, generator(3, "draw"))) == {"flip", "crop"}
    learned = AugmentConfig(weak=RESIZED, strong=StrongConfig(policy="ctaugment"))
    views = (
        *build_views(("strong",), AugmentConfig(weak=RESIZED), SHAPE),
        *build_views(("strong", "probe"), learned, SHAPE, CTAugment(learned.ct)),
    )
    for view in views:
        draws = view.draw(4, SHAPE, generator(4, "draw"))
        assert view.apply(random_images(4), draws).shape == (4, 3, 32, 32)
        assert "crop " in view.describe(draws, 0)


def test_symbols_are_cropped_and_never_mirrored():
    (view,) = build_views(("weak",), AugmentConfig(domain="symbols", weak=RESIZED), SHAPE)
    assert not view.draw(1000, SHAPE, generator(5, "draw"))["flip"].any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"smallest_crop": 0.0}, "augment.weak.smallest_crop must be in (0, 1], got 0.0"),
        ({"crop": "resized", "smallest_crop": 1.1}, "augment.weak.smallest_crop must be in (0, 1], got 1.1"),
        ({"smallest_crop": 0.5}, "augment.weak.smallest_crop does nothing with augment.weak.crop = 'shift'"),
        ({"crop": "resized", "translate": 0.2}, "augment.weak.translate does nothing with augment.weak.crop"),
    ],
)
def test_a_setting_of_the_other_form_or_out_of_range_is_a_config_error(settings, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        WeakConfig(**settings)
