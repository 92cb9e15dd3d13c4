import pytest
import torch
from torch import Tensor

from tutelage.augment.contrastive import BLUR, GRAYSCALE, HUE, IDENTITY, JITTER, SATURATION, Contrastive
from tutelage.augment.crops import draw_crops
from tutelage.augment.view import Draws, ImageShape
from tutelage.config.augment import ContrastiveConfig
from tutelage.core.errors import ConfigError
from tutelage.core.seeding import generator

SHAPE = ImageShape(3, 32, 32)


def drawn(recipe: str, rows: int = 10_000, shape: ImageShape = SHAPE) -> Draws:
    return Contrastive(ContrastiveConfig(recipe=recipe)).draw(rows, shape, generator(0, "draw"))


def random_images(rows: int, shape: ImageShape = SHAPE) -> Tensor:
    size = (rows, shape.channels, shape.height, shape.width)
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=generator(0, "images"))


@pytest.mark.parametrize(
    ("recipe", "smallest", "jitter", "blur", "hue"),
    [("v1", 0.2, 1.0, 0.0, 0.4), ("v2", 0.2, 0.8, 0.5, 0.1), ("cifar", 0.08, 0.8, 0.0, 0.1)],
)
def test_each_recipe_has_its_published_probabilities_and_ranges(recipe, smallest, jitter, blur, hue):
    draws = drawn(recipe)
    left, top, right, bottom = draws["crop"].unbind(1)
    area = (right - left) * (bottom - top) / 1024
    assert area.min() == pytest.approx(smallest, abs=0.04)
    assert area.max() > 0.9
    assert (draws["op"] == HUE).any(1).float().mean() == pytest.approx(jitter, abs=0.02)
    assert (draws["op"] == GRAYSCALE).any(1).float().mean() == pytest.approx(0.2, abs=0.02)
    assert (draws["op"] == BLUR).any(1).float().mean() == pytest.approx(blur, abs=0.02)
    assert draws["flip"].float().mean() == pytest.approx(0.5, abs=0.02)
    turn = draws["value"][draws["op"] == HUE]
    assert turn.abs().max() == pytest.approx(hue, abs=0.01)
    saturation = draws["value"][draws["op"] == SATURATION]
    assert saturation.min() == pytest.approx(0.6, abs=0.01)
    assert saturation.max() == pytest.approx(1.4, abs=0.01)
    if blur:
        sigma = draws["value"][draws["op"] == BLUR]
        assert sigma.min() == pytest.approx(0.1, abs=0.01)
        assert sigma.max() == pytest.approx(2.0, abs=0.01)


def test_colors_are_jittered_in_every_order():
    first = drawn("v1")["op"][:, 1]
    share = torch.bincount(first)[list(JITTER)] / len(first)
    assert (share - 0.25).abs().max() < 0.02


def test_grayscale_comes_first_in_v1_and_after_the_jitter_in_v2():
    assert (drawn("v1")["op"][:, 0] == GRAYSCALE).any()
    assert (drawn("v2")["op"][:, 4] == GRAYSCALE).any()


@pytest.mark.parametrize("shape", [SHAPE, ImageShape(1, 8, 8), ImageShape(3, 96, 40), ImageShape(3, 4, 200)])
def test_crops_lie_inside_the_image_at_any_size(shape):
    left, top, right, bottom = draw_crops(5000, shape, 0.08, generator(1, "crops")).unbind(1)
    assert (left >= 0).all()
    assert (top >= 0).all()
    assert (right <= shape.width).all()
    assert (bottom <= shape.height).all()
    assert (right > left).all()
    assert (bottom > top).all()
    images = random_images(6, shape)
    view = Contrastive(ContrastiveConfig())
    assert view.apply(images, view.draw(6, shape, generator(2, "draw"))).shape == images.shape


def test_ratios_of_the_sides_are_spread_evenly_in_their_logarithm():
    shape = ImageShape(3, 1000, 1000)
    left, top, right, bottom = draw_crops(20_000, shape, 0.05, generator(3, "crops")).unbind(1)
    ratio = ((right - left) / (bottom - top)).log()
    assert ratio.abs().max() == pytest.approx(torch.tensor(4 / 3).log().item(), abs=0.02)
    assert abs(ratio.mean()) < 0.01


def test_an_image_in_which_no_crop_fits_gives_its_center():
    boxes = draw_crops(100, ImageShape(3, 10, 1000), 1.0, generator(4, "crops"))
    assert (boxes == torch.tensor([493, 0, 506, 10])).all()


def test_each_row_is_as_if_it_were_alone():
    images, view = random_images(24), Contrastive(ContrastiveConfig())
    draws = view.draw(24, SHAPE, generator(5, "draw"))
    together = view.apply(images, draws)
    for row in range(24):
        alone = {name: value[row : row + 1] for name, value in draws.items()}
        assert torch.equal(view.apply(images[row : row + 1], alone)[0], together[row]), view.describe(draws, row)


def test_the_whole_image_without_operations_stays_as_it_is_or_is_mirrored():
    images = random_images(2)
    draws = {
        "crop": torch.tensor([[0, 0, 32, 32]] * 2),
        "flip": torch.tensor([False, True]),
        "op": torch.full((2, 6), IDENTITY),
        "value": torch.ones(2, 6, dtype=torch.float64),
    }
    result = Contrastive(ContrastiveConfig()).apply(images, draws)
    assert torch.equal(result[0], images[0])
    assert torch.equal(result[1], images[1].flip(-1))


def test_images_of_one_channel_get_no_color_operation():
    op = drawn("v2", shape=ImageShape(1, 28, 28))["op"]
    assert not torch.isin(op, torch.tensor([HUE, SATURATION, GRAYSCALE])).any()
    assert (op == BLUR).any()


def test_a_smallest_crop_of_nothing_is_a_config_error():
    with pytest.raises(ConfigError, match=r"augment\.contrastive\.smallest_crop must be in \(0, 1\]"):
        ContrastiveConfig(smallest_crop=0.0)
