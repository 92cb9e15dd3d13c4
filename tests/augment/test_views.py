import subprocess
import sys

import pytest
import torch

from tutelage.augment.contrastive import Contrastive
from tutelage.augment.ct_augment import NAMES, CTAugment
from tutelage.augment.rand_augment import RandAugment
from tutelage.augment.view import ImageShape
from tutelage.augment.views import VIEWS, build_views
from tutelage.augment.weak import Weak
from tutelage.config.augment import AugmentConfig, StrongConfig
from tutelage.core.errors import ConfigError
from tutelage.core.seeding import generator

SHAPE = ImageShape(3, 32, 32)
LEARNED = AugmentConfig(strong=StrongConfig(policy="ctaugment"))


def test_views_come_in_the_order_of_their_names():
    weak, strong, again = build_views(("weak", "strong", "weak"), AugmentConfig(), SHAPE)
    assert isinstance(weak, Weak)
    assert isinstance(strong, RandAugment)
    assert isinstance(again, Weak)
    assert isinstance(build_views(("contrastive",), AugmentConfig(), SHAPE)[0], Contrastive)


@pytest.mark.parametrize("shape", [SHAPE, ImageShape(1, 8, 8), ImageShape(3, 20, 36), ImageShape(1, 5, 3)])
def test_every_view_keeps_the_shape_and_describes_each_row(shape):
    ct = CTAugment(LEARNED.ct)
    size = (32, shape.channels, shape.height, shape.width)
    images = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator(0, "images"))
    views = [*build_views(VIEWS, LEARNED, shape, ct), *build_views(("strong",), AugmentConfig(), shape)]
    for view in views:
        draws = view.draw(32, shape, generator(1, "draw"))
        assert all(len(value) == 32 for value in draws.values())
        changed = view.apply(images, draws)
        assert changed.shape == images.shape
        assert changed.dtype == torch.uint8
        assert all(view.describe(draws, row) for row in range(32))


def test_rows_can_be_split_after_drawing():
    """So that ranks see what one process would have seen."""
    ct = CTAugment(LEARNED.ct)
    images = torch.randint(0, 256, (20, 3, 16, 16), dtype=torch.uint8, generator=generator(0, "images"))
    for view in build_views(VIEWS, LEARNED, ImageShape(3, 16, 16), ct):
        draws = view.draw(20, ImageShape(3, 16, 16), generator(2, "draw"))
        whole = view.apply(images, draws)
        halves = [
            view.apply(images[part], {name: value[part] for name, value in draws.items()})
            for part in (slice(0, 7), slice(7, 20))
        ]
        assert torch.equal(torch.cat(halves), whole), type(view).__name__


@pytest.mark.parametrize("name", ["weak", "strong", "contrastive"])
def test_symbols_are_never_mirrored(name):
    (view,) = build_views((name,), AugmentConfig(domain="symbols"), SHAPE)
    assert not view.draw(1000, SHAPE, generator(3, "draw"))["flip"].any()
    (view,) = build_views((name,), AugmentConfig(), SHAPE)
    assert view.draw(1000, SHAPE, generator(3, "draw"))["flip"].any()


@pytest.mark.parametrize(("fill", "level"), [("published", 0), ("black", 0), ("gray", 127)])
@pytest.mark.parametrize("name", ["probe", "strong"])
def test_gaps_of_learned_views_are_filled_as_set(name, fill, level):
    config = AugmentConfig(strong=StrongConfig(policy="ctaugment", fill=fill, cutout=0.0))
    (view,) = build_views((name,), config, SHAPE, CTAugment(config.ct))
    draws = view.draw(1, SHAPE, generator(4, "draw"))
    draws["shift"] = torch.zeros(1, 2, dtype=torch.int64)
    draws["op"] = torch.tensor([[NAMES.index("translate_x"), NAMES.index("identity")]])
    draws["numbers"] = torch.tensor([[[8.0, 0.0, 0.0]] * 2], dtype=torch.float64)
    moved = view.apply(torch.full((1, 3, 32, 32), 200, dtype=torch.uint8), draws)
    assert (moved[..., 24:] == level).all()
    assert (moved[..., :24] == 200).all()


def test_an_unknown_view_is_a_config_error_that_names_the_nearest():
    with pytest.raises(ConfigError, match=r"'stronk' is not a view; did you mean 'strong'"):
        build_views(("stronk",), AugmentConfig(), SHAPE)


def test_learned_views_without_an_owner_of_the_rates_are_a_config_error():
    with pytest.raises(ConfigError, match="'strong' draws from CTAugment's rates"):
        build_views(("strong",), LEARNED, SHAPE)
    with pytest.raises(ConfigError, match=r"augment\.strong\.policy to 'ctaugment', which is now 'randaugment'"):
        build_views(("probe",), AugmentConfig(), SHAPE, CTAugment(LEARNED.ct))


def test_images_of_another_number_of_channels_are_a_config_error():
    with pytest.raises(ConfigError, match="1 to 16 channels, got 17"):
        build_views(("weak",), AugmentConfig(), ImageShape(17, 32, 32))


def test_the_settings_are_read_without_loading_torch():
    code = "import sys, tutelage.config.augment; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
