import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from tutelage.augment.ct_augment import BINS, NAMES, OPERATIONS, PIXEL_OPERATIONS, CTAugment
from tutelage.augment.image_ops.affine import translate_x
from tutelage.augment.image_ops.blending import blend
from tutelage.augment.image_ops.tables import invert
from tutelage.augment.operation import index_of
from tutelage.augment.operations import apply_operations
from tutelage.augment.view import ImageShape
from tutelage.augment.weak import Weak
from tutelage.config.augment import CTAugmentConfig, WeakConfig
from tutelage.core.errors import ConfigError
from tutelage.core.seeding import generator

SHAPE = ImageShape(3, 32, 32)
UNMOVED = Weak(WeakConfig(flip=False, translate=0.0))


def random_images(rows: int) -> Tensor:
    return torch.randint(0, 256, (rows, 3, 32, 32), dtype=torch.uint8, generator=generator(0, "images"))


def position(name: str) -> int:
    return index_of(name, OPERATIONS)


def values_drawn(name: str, *, ct: CTAugment | None = None, shape: ImageShape = SHAPE) -> Tensor:
    draws = (ct or CTAugment(CTAugmentConfig())).probe(UNMOVED).draw(20_000, shape, generator(0, "draw"))
    return draws["numbers"][draws["op"] == position(name)][:, 0]


@pytest.mark.parametrize(
    ("name", "low", "high", "step"),
    [
        ("autocontrast", 0, 1, None),
        ("brightness", 0.1, 2.0, None),
        ("sharpness", 0.1, 2.0, None),
        ("posterize", 1, 8, 1),
        ("rotate", -45, 45, 1),
        ("shear_x", -0.3, 0.3, None),
        ("solarize", 0, 255, 1),
        ("translate_x", -0.3 * 32, 0.3 * 32, None),
    ],
)
def test_levels_map_to_the_published_ranges(name, low, high, step):
    found = values_drawn(name)
    width = high - low
    assert low <= found.min() <= low + 0.01 * width
    assert high - 0.01 * width <= found.max() <= high
    if step is not None:
        assert torch.equal(found, found.round())


def test_there_are_nineteen_operations_with_the_published_bins():
    ct = CTAugment(CTAugmentConfig())
    assert len(OPERATIONS) == 19
    assert ct.bins[position("rescale")].tolist() == [17, 6]
    assert ct.bins[position("posterize")].tolist() == [8, 0]
    assert ct.bins[position("identity")].tolist() == [0, 0]
    assert ct.bins[:, 0].sum() == 17 * 17 + 8


def test_translation_of_the_original_code_moves_nothing():
    no_op = CTAugment(CTAugmentConfig(translate_no_op=True))
    pixels = values_drawn("translate_x", ct=no_op)
    assert -0.3 <= pixels.min() < -0.29
    assert 0.29 < pixels.max() <= 0.3
    images = random_images(64)
    assert torch.equal(translate_x(images, pixels[:64]), images)
    assert not torch.equal(translate_x(images, values_drawn("translate_x")[:64]), images)


def test_operations_that_only_change_levels_are_mixed_in_by_the_level():
    images = random_images(5)
    numbers = torch.rand(5, 1, 3, dtype=torch.float64, generator=generator(1, "numbers"))
    chosen = torch.full((5, 1), position("invert"))
    expected = blend(images, invert(images), numbers[:, 0, 0])
    assert torch.equal(apply_operations(images, PIXEL_OPERATIONS, chosen, numbers), expected)


@pytest.mark.parametrize("method", range(6))
def test_rescale_equals_pillow_with_each_filter(method):
    images, ct = random_images(40), CTAugment(CTAugmentConfig(depth=1))
    scale = torch.linspace(0, 0.999, 40, dtype=torch.float64)
    level = torch.stack([scale, torch.full_like(scale, (method + 0.5) / 5.99)], dim=1).unsqueeze(1)
    draws = {
        **UNMOVED.draw(40, SHAPE, generator(0, "draw")),
        "op": torch.full((40, 1), position("rescale")),
        "level": level,
        "numbers": torch.cat([scale.view(-1, 1, 1), torch.zeros(40, 1, 2)], dim=2),
    }
    names = ("LANCZOS", "BICUBIC", "BILINEAR", "BOX", "HAMMING", "NEAREST")
    ours = ct.probe(UNMOVED).apply(images, draws)
    for row in range(40):
        border = 0.25 * float(scale[row]) * 32
        pillow = Image.fromarray(images[row].permute(1, 2, 0).numpy()).crop((border, border, 32 - border, 32 - border))
        expected = np.asarray(pillow.resize((32, 32), Image.Resampling[names[method]])).transpose(2, 0, 1)
        assert np.array_equal(ours[row].numpy(), expected), f"border {border}"


def test_cutout_erases_a_box_no_larger_than_half_the_image():
    white = torch.full((500, 3, 32, 32), 255, dtype=torch.uint8)
    numbers = torch.rand(500, 1, 3, dtype=torch.float64, generator=generator(2, "numbers"))
    result = apply_operations(white, PIXEL_OPERATIONS, torch.full((500, 1), position("cutout")), numbers)
    area = (result[:, 0] == 127).flatten(1).sum(1)
    assert area.min() == 0  # a side of one pixel reaches zero pixels around its center
    assert 200 <= area.max() <= 256


def test_the_first_strong_draws_use_every_bin():
    draws = CTAugment(CTAugmentConfig()).strong(UNMOVED).draw(20_000, SHAPE, generator(3, "draw"))
    levels = draws["level"][draws["op"] == position("blur")][:, 0]
    assert torch.bincount((levels * BINS).long(), minlength=BINS).min() > 50
    assert levels.min() >= 0.0
    assert levels.max() < 1.0


def test_update_moves_the_rate_of_each_bin_that_was_met_row_after_row():
    ct, decay = CTAugment(CTAugmentConfig(depth=2, decay=0.9)), 0.9
    op = torch.tensor([[position("blur"), position("rescale")], [position("blur"), position("blur")]])
    level = torch.tensor([[[0.0, 0.5], [0.5, 0.99]], [[0.01, 0.1], [0.9, 0.2]]], dtype=torch.float64)
    proximity = torch.tensor([0.2, 0.6])
    ct.update(op, level, proximity)
    expected = torch.ones(len(OPERATIONS), 2, BINS, dtype=torch.float64)
    for row in range(2):
        for step in range(2):
            for parameter, bins in enumerate(ct.bins[op[row, step]].tolist()):
                if bins:
                    cell = (op[row, step], parameter, int(float(level[row, step, parameter]) * bins * 0.999))
                    expected[cell] = decay * expected[cell] + (1 - decay) * proximity[row].double()
    assert torch.allclose(ct.rates.double(), expected, atol=1e-6)
    assert (ct.rates != 1).sum() == 4
    assert ct.probes[position("blur")] == 3


def test_rates_of_harmful_magnitudes_fall_below_the_threshold_within_400_updates_and_others_stay():
    """Half of the magnitudes of rotate and all of invert destroy the class; nothing else does."""
    ct = CTAugment(CTAugmentConfig())
    probe, batch = ct.probe(UNMOVED), 64
    destroyed_rotate = torch.arange(BINS) >= 9
    for step in range(400):
        draws = probe.draw(batch, SHAPE, generator(4, "probe", step))
        op, level = draws["op"], draws["level"]
        harmful = ((op == position("rotate")) & (level[..., 0] >= 9 / BINS)) | (op == position("invert"))
        chance = torch.full((batch,), 0.1)
        ct.update(op, level, torch.where(harmful.any(1), chance, 1.0))
    odds = ct.bin_probs()
    rotate = odds[position("rotate"), 0]
    assert (rotate[destroyed_rotate] == 0).all(), rotate
    assert (rotate[~destroyed_rotate] > 0).all(), rotate
    for name in NAMES:
        if name not in ("rotate", "invert", "identity"):
            known = ct.is_bin[position(name)]
            assert (odds[position(name)][known] > 0).all(), name
    drawn = ct.strong(UNMOVED).draw(5000, SHAPE, generator(5, "strong"))
    angles = drawn["level"][drawn["op"] == position("rotate")][:, 0]
    assert angles.max() < 9 / BINS
    assert ct.stats()["ct/rotate"] == pytest.approx(9 / BINS)
    assert ct.rates[position("invert"), 0].max() < 0.9 < ct.rates[position("blur"), 0].min()


def test_a_module_that_owns_the_rates_saves_and_loads_them():
    class Owner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ct = CTAugment(CTAugmentConfig())

    first, second = Owner(), Owner()
    draws = first.ct.probe(UNMOVED).draw(64, SHAPE, generator(6, "probe"))
    first.ct.update(draws["op"], draws["level"], torch.rand(64, generator=generator(6, "proximity")))
    second.load_state_dict(first.state_dict())
    ours, theirs = (o.ct.strong(UNMOVED).draw(64, SHAPE, generator(7, "strong")) for o in (first, second))
    assert not torch.equal(first.ct.rates, torch.ones_like(first.ct.rates))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_images_of_one_channel_and_excluded_names_are_left_out():
    ct = CTAugment(CTAugmentConfig(), excluded=["invert"])
    op = ct.probe(UNMOVED).draw(5000, ImageShape(1, 28, 28), generator(8, "probe"))["op"]
    assert set(op.unique().tolist()) == set(range(19)) - {position("color"), position("invert")}


def test_excluding_an_unknown_operation_is_a_config_error_that_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'invert'"):
        CTAugment(CTAugmentConfig(), excluded=["inverse"])


def test_description_names_operations_filters_and_values():
    draws = {
        **UNMOVED.draw(1, SHAPE, generator(9, "draw")),
        "op": torch.tensor([[position("rescale"), position("rotate")]]),
        "level": torch.tensor([[[0.5, 0.2], [0.1, 0.0]]], dtype=torch.float64),
        "numbers": torch.tensor([[[0.5, 0.0, 0.0], [-36.0, 0.0, 0.0]]], dtype=torch.float64),
    }
    ct = CTAugment(CTAugmentConfig())
    assert ct.strong(UNMOVED).describe(draws, 0) == "unchanged; rescale bicubic 0.50, rotate -36"


def test_a_proximity_of_other_rows_is_an_error():
    ct = CTAugment(CTAugmentConfig())
    draws = ct.probe(UNMOVED).draw(4, SHAPE, generator(0, "draw"))
    with pytest.raises(ValueError, match="proximity"):
        ct.update(draws["op"], draws["level"], torch.ones(5))


@pytest.mark.parametrize(("setting", "value"), [("depth", 0), ("decay", 1.1), ("threshold", -0.1)])
def test_a_setting_out_of_range_is_a_config_error(setting, value):
    with pytest.raises(ConfigError, match=rf"augment\.ct\.{setting} must be in"):
        CTAugmentConfig(**{setting: value})
