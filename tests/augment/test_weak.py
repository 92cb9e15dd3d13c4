import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tutelage.augment.view import ImageShape
from tutelage.augment.weak import Weak, flip_and_translate
from tutelage.config.augment import WeakConfig
from tutelage.core.errors import ConfigError
from tutelage.core.seeding import generator


def random_images(rows: int, channels: int, height: int, width: int) -> Tensor:
    return torch.randint(0, 256, (rows, channels, height, width), dtype=torch.uint8, generator=generator(0, "images"))


def padded_crop(image: np.ndarray, flip: bool, down: int, right: int) -> np.ndarray:
    """The published recipe, one image at a time: mirror, reflect-pad, crop."""
    height, width = image.shape[1:]
    image = image[:, :, ::-1] if flip else image
    padded = np.pad(image, ((0, 0), (abs(down), abs(down)), (abs(right), abs(right))), mode="reflect")
    top, left = abs(down) - down, abs(right) - right
    return padded[:, top : top + height, left : left + width]


@pytest.mark.parametrize(("channels", "height", "width"), [(3, 32, 32), (1, 8, 8), (3, 20, 13), (1, 96, 96)])
@pytest.mark.parametrize("translate", [0.0, 0.125, 0.5])
def test_each_row_equals_the_padded_crop_of_its_own_draw(channels, height, width, translate):
    images, view = random_images(40, channels, height, width), Weak(WeakConfig(translate=translate))
    draws = view.draw(40, ImageShape(channels, height, width), generator(1, "draw"))
    moved = view.apply(images, draws)
    for row in range(40):
        expected = padded_crop(images[row].numpy(), bool(draws["flip"][row]), *draws["shift"][row].tolist())
        assert np.array_equal(moved[row].numpy(), expected), f"row {row}"


def test_the_largest_translation_is_a_share_of_each_side():
    assert Weak(WeakConfig()).reach(ImageShape(3, 32, 32)) == (4, 4)
    assert Weak(WeakConfig()).reach(ImageShape(3, 96, 64)) == (12, 8)
    assert Weak(WeakConfig()).reach(ImageShape(1, 8, 8)) == (1, 1)


def test_draws_cover_every_translation_evenly_and_flip_half_of_the_rows():
    draws = Weak(WeakConfig()).draw(20_000, ImageShape(3, 32, 32), generator(2, "draw"))
    counts = torch.bincount(draws["shift"].flatten() + 4, minlength=9) / 40_000
    assert (counts - 1 / 9).abs().max() < 0.01
    assert abs(draws["flip"].float().mean() - 0.5) < 0.02


def test_without_flip_no_row_is_mirrored():
    assert not Weak(WeakConfig(flip=False)).draw(1000, ImageShape(3, 32, 32), generator(3, "draw"))["flip"].any()


def test_the_same_generator_gives_the_same_view_and_the_input_stays():
    images, view = random_images(16, 3, 32, 32), Weak(WeakConfig())
    before = images.clone()
    first, second = (view.apply(images, view.draw(16, ImageShape(3, 32, 32), generator(4, "draw"))) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(images, before)


def test_images_that_are_not_contiguous_are_moved_alike():
    images = random_images(8, 3, 12, 12)
    flip, shift = torch.tensor([True, False] * 4), torch.full((8, 2), -2)
    channels_last = images.contiguous(memory_format=torch.channels_last)
    assert torch.equal(flip_and_translate(channels_last, flip, shift), flip_and_translate(images, flip, shift))


def test_a_batch_without_rows_comes_back_empty():
    images, view = random_images(0, 3, 8, 8), Weak(WeakConfig())
    assert view.apply(images, view.draw(0, ImageShape(3, 8, 8), generator(5, "draw"))).shape == (0, 3, 8, 8)


def test_description_names_what_happened():
    draws = {"flip": torch.tensor([True, False]), "shift": torch.tensor([[-3, 2], [0, 0]])}
    view = Weak(WeakConfig())
    assert view.describe(draws, 0) == "flip, shift 2,-3"
    assert view.describe(draws, 1) == "unchanged"


def test_wrong_images_and_draws_are_named():
    view, shape = Weak(WeakConfig()), ImageShape(3, 8, 8)
    draws = view.draw(4, shape, generator(6, "draw"))
    with pytest.raises(TypeError, match=r"uint8.*float32"):
        view.apply(torch.zeros(4, 3, 8, 8), draws)
    with pytest.raises(ValueError, match=r"1 to 16 channels, got 17"):
        view.apply(torch.zeros(4, 17, 8, 8, dtype=torch.uint8), draws)
    with pytest.raises(ValueError, match=r"\(B, C, H, W\).*\(3, 8, 8\)"):
        view.apply(torch.zeros(3, 8, 8, dtype=torch.uint8), draws)
    with pytest.raises(ValueError, match=r"flip.*5 images"):
        view.apply(torch.zeros(5, 3, 8, 8, dtype=torch.uint8), draws)


@pytest.mark.parametrize("translate", [-0.1, 0.6, float("nan")])
def test_a_translation_out_of_range_is_a_config_error(translate):
    with pytest.raises(ConfigError, match=r"augment\.weak\.translate must be in \[0, 0\.5\]"):
        WeakConfig(translate=translate)


class _Sent(TorchDispatchMode):
    """Counts the bytes that are copied to another device."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and args[0].device != result.device:
            self.bytes += args[0].nbytes
        return result


def test_only_the_draws_are_sent_to_the_device_of_the_images():
    view, images = Weak(WeakConfig()), random_images(8, 3, 32, 32).to("meta")
    draws = view.draw(8, ImageShape(3, 32, 32), generator(7, "draw"))
    with _Sent() as sent:
        assert view.apply(images, draws).device == images.device
    assert 0 < sent.bytes <= sum(draw.nbytes for draw in draws.values())
