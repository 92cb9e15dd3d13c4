import pytest
import torch
from torch import Tensor

from tutelage.augment.image_ops.tables import equalize
from tutelage.augment.operation import index_of
from tutelage.augment.operations import apply_operations
from tutelage.augment.rand_augment import OPERATIONS, VARIANTS, RandAugment, fill_gaps
from tutelage.augment.view import Draws, ImageShape
from tutelage.augment.weak import Weak
from tutelage.config.augment import StrongConfig, WeakConfig
from tutelage.core.errors import ConfigError
from tutelage.core.seeding import generator

SHAPE = ImageShape(3, 32, 32)
UNMOVED = WeakConfig(flip=False, translate=0.0)


def view(variant: str = "paper", **settings: object) -> RandAugment:
    return RandAugment(StrongConfig(variant=variant, **settings), Weak(WeakConfig()))


def values_drawn(variant: str, name: str, shape: ImageShape = SHAPE, rows: int = 20_000) -> Tensor:
    draws = view(variant, probability=1.0).draw(rows, shape, generator(0, "draw"))
    return draws["value"][draws["op"] == index_of(name, OPERATIONS)]


def random_images(rows: int, shape: ImageShape = SHAPE) -> Tensor:
    size = (rows, shape.channels, shape.height, shape.width)
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=generator(0, "images"))


LEVELS = torch.arange(1.0, 10.0)
SIGNED = torch.cat([-LEVELS.flip(0), LEVELS])
TABLE = {
    ("official", "brightness"): 0.18 * LEVELS + 0.1,
    ("official", "sharpness"): 0.18 * LEVELS + 0.1,
    ("official", "posterize"): torch.tensor([1.0, 2, 3, 4]),
    ("official", "rotate"): SIGNED * 3,
    ("official", "shear_x"): SIGNED * 0.03,
    ("official", "solarize"): torch.tensor([26.0, 52, 77, 103, 128, 154, 180, 205, 231]),
    ("official", "translate_y"): SIGNED,
    ("paper", "color"): 0.09 * LEVELS + 0.05,
    ("paper", "contrast"): 0.09 * LEVELS + 0.05,
    ("paper", "posterize"): torch.tensor([4.0, 5, 6, 7]),
    ("paper", "rotate"): SIGNED * 3,
    ("paper", "shear_y"): SIGNED * 0.03,
    ("paper", "solarize"): torch.tensor([26.0, 52, 77, 103, 128, 154, 180, 205, 231]),
    ("paper", "translate_x"): torch.arange(-8.0, 9.0),
    ("toolbox", "posterize"): torch.tensor([4.0, 5, 6, 7]),
}


@pytest.mark.parametrize(("variant", "name"), TABLE)
def test_the_values_of_levels_are_those_of_the_published_table(variant, name):
    found = values_drawn(variant, name).unique()
    expected = TABLE[variant, name].double()
    # M = 5 gives trunc(4.8) of 32 pixels twice over; 0 is the trunc of less than one pixel.
    assert torch.isin(found.float().mul(1e4).round(), expected.float().mul(1e4).round()).all()
    assert found.min() == pytest.approx(expected.min().item(), abs=1e-6)
    assert found.max() == pytest.approx(expected.max().item(), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("brightness", 0.05, 0.95),
        ("color", 0.05, 0.95),
        ("rotate", -30, 30),
        ("shear_x", -0.3, 0.3),
        ("solarize", 0, 256),
        ("translate_x", -0.3 * 64, 0.3 * 64),
        ("translate_y", -0.3 * 32, 0.3 * 32),
    ],
)
@pytest.mark.parametrize("variant", ["toolbox", "usb"])
def test_the_toolboxes_draw_evenly_from_their_ranges(variant, name, low, high):
    found = values_drawn(variant, name, ImageShape(3, 32, 64))
    assert low <= found.min() < low + 0.02 * (high - low)
    assert high - 0.02 * (high - low) < found.max() <= high
    assert found.mean() == pytest.approx((low + high) / 2, abs=0.02 * (high - low))


@pytest.mark.parametrize("variant", VARIANTS)
def test_operations_are_drawn_evenly_and_done_with_the_published_probability(variant):
    draws = view(variant).draw(20_000, SHAPE, generator(1, "draw"))
    published = VARIANTS[variant]
    assert draws["op"].shape == (20_000, published.operations)
    share = torch.bincount(draws["op"].flatten(), minlength=14) / draws["op"].numel()
    done = published.probability / 14
    assert (share[1:] - done).abs().max() < 0.005
    assert share[0] == pytest.approx(1 - 13 * done, abs=0.01)


def test_images_of_one_channel_get_no_color_operation():
    draws = view(probability=1.0).draw(5000, ImageShape(1, 28, 28), generator(2, "draw"))
    assert not (draws["op"] == index_of("color", OPERATIONS)).any()


def test_small_images_are_not_moved_out_of_sight():
    assert values_drawn("official", "translate_x", ImageShape(1, 8, 8)).abs().max() == 2


def test_each_row_is_as_if_it_were_alone():
    images, strong = random_images(60), view(probability=1.0, operations=3)
    draws = strong.draw(60, SHAPE, generator(3, "draw"))
    together = strong.apply(images, draws)
    for row in range(60):
        alone = {name: value[row : row + 1] for name, value in draws.items()}
        assert torch.equal(strong.apply(images[row : row + 1], alone)[0], together[row]), strong.describe(draws, row)


def test_what_comes_back_can_be_trained_on():
    images, strong = random_images(4), view(probability=1.0)
    changed = strong.apply(images, strong.draw(4, SHAPE, generator(3, "draw")))
    assert not changed.is_inference()
    weight = torch.ones(3, requires_grad=True)
    (changed.permute(0, 2, 3, 1).float() * weight).sum().backward()
    assert weight.grad is not None


def test_operations_are_done_in_the_order_drawn():
    images = random_images(2)
    first, second = index_of("solarize", OPERATIONS), index_of("equalize", OPERATIONS)
    chosen = torch.tensor([[first, second], [second, first]])
    numbers = torch.full((2, 2, 1), 100.0, dtype=torch.float64)
    result = apply_operations(images, OPERATIONS, chosen, numbers)
    solarized = torch.where(images < 100, images, 255 - images)
    assert torch.equal(result[0], equalize(solarized)[0])
    equalized = equalize(images)
    assert torch.equal(result[1], torch.where(equalized < 100, equalized, 255 - equalized)[1])


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_number_of_threads_changes_nothing(variant):
    images, strong = random_images(128), view(variant)
    draws = strong.draw(128, SHAPE, generator(4, "draw"))
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(strong.apply(images, draws))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*results)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_cuda_device_gives_the_same_pixels(variant):
    images, strong = random_images(128), view(variant)
    draws = strong.draw(128, SHAPE, generator(4, "draw"))
    assert torch.equal(strong.apply(images.cuda(), draws).cpu(), strong.apply(images, draws))


def test_the_same_generator_gives_the_same_draws_and_another_gives_others():
    first, same, other = (view().draw(64, SHAPE, generator(seed, "draw")) for seed in (5, 5, 6))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["op"], other["op"])


def draws_of(*operations: tuple[str, float]) -> Draws:
    """One row that is not moved and undergoes these operations."""
    return {
        "op": torch.tensor([[index_of(name, OPERATIONS) for name, _ in operations]]),
        "value": torch.tensor([[value for _, value in operations]], dtype=torch.float64),
    }


@pytest.mark.parametrize(("fill", "level"), [("published", 0), ("black", 0), ("gray", 127)])
def test_gaps_of_geometric_operations_are_filled_as_set(fill, level):
    images = torch.full((1, 3, 32, 32), 200, dtype=torch.uint8)
    moved = view(fill=fill).operate(images, draws_of(("translate_x", 8.0)))
    assert (moved[..., 24:] == level).all()
    assert (moved[..., :24] == 200).all()


def test_reflection_leaves_no_gap():
    images = random_images(1)
    moved = view(fill="reflect").operate(images, draws_of(("translate_x", 8.0)))
    assert torch.equal(moved[..., :24], images[..., 8:])
    assert torch.equal(moved[..., 24:], images[..., 23:31].flip(-1))


def test_official_gaps_are_gray_unless_an_operation_without_alpha_follows():
    images, official = torch.full((1, 3, 32, 32), 200, dtype=torch.uint8), view("official")
    gap = (..., slice(24, None))
    move, dim, posterized = ("translate_x", 8.0), ("brightness", 0.5), ("posterize", 4.0)
    assert (official.operate(images, draws_of(move, dim))[gap] == 127).all()
    assert (official.operate(images, draws_of(dim, move))[gap] == 127).all()
    assert (official.operate(images, draws_of(move, posterized))[gap] == 0).all()
    assert (official.operate(images, draws_of(posterized, move))[gap] == 127).all()


def test_filling_gaps_changes_nothing_where_there_is_none():
    images = random_images(4)
    op = torch.full((4, 2), index_of("contrast", OPERATIONS))
    assert torch.equal(fill_gaps(images, op, torch.ones(4, 2, 1, dtype=torch.float64)), images)


def test_a_strong_view_without_operations_and_cutout_is_the_weak_view():
    images, weak = random_images(16), Weak(WeakConfig())
    strong = RandAugment(StrongConfig(operations=0, cutout=0.0), weak)
    draws = strong.draw(16, SHAPE, generator(7, "draw"))
    assert torch.equal(strong.apply(images, draws), weak.apply(images, draws))


def test_the_toolbox_moves_the_cutout_with_the_image():
    """It flips and crops last, so that a reflected edge can show a part of the square twice."""
    images = torch.full((200, 3, 32, 32), 200, dtype=torch.uint8)
    toolbox = RandAugment(StrongConfig(variant="toolbox", operations=0), Weak(WeakConfig(translate=0.5)))
    draws = toolbox.draw(200, SHAPE, generator(8, "draw"))
    squares = (toolbox.apply(images, draws)[:, 0] != 200).flatten(1).sum(1)
    unmoved = RandAugment(StrongConfig(variant="toolbox", operations=0), Weak(UNMOVED))
    draws = unmoved.draw(200, SHAPE, generator(8, "draw"))
    assert squares.max() > (unmoved.apply(images, draws)[:, 0] != 200).flatten(1).sum(1).max()


def test_usb_crops_and_flips_before_the_operations_and_torchssl_after_them():
    images, weak = random_images(64), Weak(WeakConfig())
    usb, torchssl = view("usb"), view("toolbox")
    draws = usb.draw(64, SHAPE, generator(9, "draw"))
    assert all(
        torch.equal(values, draws[name]) for name, values in torchssl.draw(64, SHAPE, generator(9, "draw")).items()
    )
    cut = usb.cutout
    assert torch.equal(usb.apply(images, draws), cut.apply(usb.operate(weak.apply(images, draws), draws), draws))
    assert torch.equal(torchssl.apply(images, draws), weak.apply(cut.apply(usb.operate(images, draws), draws), draws))
    assert not torch.equal(usb.apply(images, draws), torchssl.apply(images, draws))


def test_description_names_operations_and_values():
    draws = {
        **draws_of(("rotate", -12.0), ("equalize", 0.0)),
        "flip": torch.tensor([True]),
        "shift": torch.tensor([[0, 0]]),
        "cutout": torch.tensor([[3, 4, 20, 21]]),
    }
    assert view().describe(draws, 0) == "flip; rotate -12, equalize; cutout 17x17"
    assert view("toolbox").describe(draws, 0) == "rotate -12, equalize; cutout 17x17; flip"
    assert view("usb").describe(draws, 0) == view().describe(draws, 0)


def test_an_unknown_operation_is_a_config_error_that_names_the_nearest():
    with pytest.raises(ConfigError, match=r"'rotat' is not an operation.*did you mean 'rotate'"):
        index_of("rotat", OPERATIONS)


def test_wrong_draws_are_named():
    images = random_images(4)
    numbers = torch.zeros(4, 1, 1, dtype=torch.float64)
    with pytest.raises(ValueError, match="operations are numbered 0 to 13, got 0 to 99"):
        apply_operations(images, OPERATIONS, torch.tensor([[0], [1], [99], [2]]), numbers)
    with pytest.raises(ValueError, match=r"chosen.*4 images"):
        apply_operations(images, OPERATIONS, torch.zeros(3, 1, dtype=torch.int64), numbers)
    with pytest.raises(TypeError, match="uint8"):
        apply_operations(images.float(), OPERATIONS, torch.zeros(4, 1, dtype=torch.int64), numbers)
    with pytest.raises(ValueError, match="on the CPU or on cpu"):
        apply_operations(images, OPERATIONS, torch.zeros(4, 1, dtype=torch.int64, device="meta"), numbers)


@pytest.mark.parametrize(
    ("setting", "value"), [("operations", -1), ("probability", 1.5), ("cutout", -0.1), ("cutout", 2.0)]
)
def test_a_setting_out_of_range_is_a_config_error(setting, value):
    with pytest.raises(ConfigError, match=rf"augment\.strong\.{setting} must be in"):
        StrongConfig(**{setting: value})
