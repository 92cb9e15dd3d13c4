from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import torch
from scipy import ndimage

from tutelage.augment.volume import Intensities, Turns, gaussian_blur
from tutelage.config.intensity import IntensityConfig
from tutelage.core.errors import ConfigError

CALM = {"noise": 0.0, "shift": 0.0, "scale": 0.0}


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def symmetries(volume: np.ndarray) -> list[bytes]:
    """All that a volume becomes by any order and direction of its axes."""
    axes = range(volume.ndim)
    return [
        np.ascontiguousarray(volume.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]).tobytes()
        for order in permutations(axes)
        for signs in product((1, -1), repeat=volume.ndim)
    ]


@pytest.mark.parametrize(
    ("shape", "number"), [((3, 3, 3), 48), ((3, 3, 4), 16), ((3, 4, 5), 8), ((3, 3), 8), ((3, 4), 4)]
)
def test_turns_reach_every_symmetry_that_keeps_the_shape_of_the_patch(shape: tuple[int, ...], number: int) -> None:
    volume = torch.arange(int(np.prod(shape))).reshape(shape).float()
    turns = Turns("turns", shape)
    patches = volume.expand(600, 1, *shape).contiguous()
    found = {row.numpy().tobytes() for row in turns.apply(patches, turns.draw(600, draw()))}
    assert len(found) == number
    assert found <= set(symmetries(volume.numpy()))


def test_ua_mt_shows_four_reflections_of_the_square_and_never_the_native_orientation() -> None:
    square = torch.arange(18).reshape(3, 3, 2).float()
    turns = Turns("ua-mt", (3, 3, 2))
    patches = square.expand(400, 1, 3, 3, 2).contiguous()
    found = {row.numpy().tobytes() for row in turns.apply(patches, turns.draw(400, draw()))}
    plain = square.numpy()
    expected = [plain[::-1], plain[:, ::-1], plain.transpose(1, 0, 2), plain[::-1, ::-1].transpose(1, 0, 2)]
    assert found == {np.ascontiguousarray(form).tobytes() for form in expected}


def test_flips_leave_the_other_axes_alone() -> None:
    turns = Turns("flips", (3, 3, 3), flip_axes=(2,))
    volume = torch.arange(27).reshape(3, 3, 3).float()
    patches = volume.expand(50, 1, 3, 3, 3).contiguous()
    found = {row.numpy().tobytes() for row in turns.apply(patches, turns.draw(50, draw()))}
    assert found == {volume.numpy().tobytes(), np.ascontiguousarray(volume.numpy()[:, :, ::-1]).tobytes()}


def test_axes_that_may_not_be_flipped_are_not_turned_either() -> None:
    turns = Turns("turns", (3, 3, 3), flip_axes=(0, 1))
    volume = torch.arange(3).float().expand(1, 1, 3, 3, 3)  # varies along the last axis alone
    for seed in range(20):
        torch.testing.assert_close(turns.apply(volume, turns.draw(1, draw(seed))), volume)


def test_images_of_several_channels_and_labels_turn_alike() -> None:
    label = torch.randint(5, (6, 4, 4, 4), generator=draw())
    images = torch.stack([label, label + 10], 1).float()
    turns = Turns("turns", (4, 4, 4))
    draws = turns.draw(6, draw(1))
    turned, moved = turns.apply(images, draws), turns.apply(label, draws)
    torch.testing.assert_close(turned[:, 0].long(), moved)
    torch.testing.assert_close(turned[:, 1].long(), moved + 10)
    assert not torch.equal(moved, label)


@pytest.mark.parametrize("shape", [(9, 8, 7), (9, 8)])
def test_the_blur_is_the_gaussian_of_each_row(shape: tuple[int, ...]) -> None:
    patches = torch.randn(3, 2, *shape, generator=draw())
    sigma = torch.tensor([0.0, 0.6, 1.0])
    found = gaussian_blur(patches, sigma, radius=3)
    torch.testing.assert_close(found[0], patches[0])
    for row in (1, 2):
        for channel in range(2):
            expected = ndimage.gaussian_filter(
                patches[row, channel].double().numpy(), float(sigma[row]), mode="nearest", radius=3
            )
            np.testing.assert_allclose(found[row, channel], expected, atol=1e-6)


def test_nothing_changes_where_nothing_is_asked_for() -> None:
    patches = torch.randn(3, 1, 4, 4, 4, generator=draw())
    view = Intensities(IntensityConfig(**CALM))
    torch.testing.assert_close(view.apply(patches, view.draw(3, draw())), patches, rtol=0, atol=0)


def test_noise_is_gaussian_clamped_and_new_in_every_row_and_step() -> None:
    view = Intensities(IntensityConfig(**{**CALM, "noise": 0.1, "noise_limit": 0.2}))
    patches = torch.zeros(2, 1, 30, 30, 30)
    one, other = view.apply(patches, view.draw(2, draw(0))), view.apply(patches, view.draw(2, draw(1)))
    assert one.abs().max() == pytest.approx(0.2) and one.mean().abs() < 0.002
    share_within = (one.abs() < 0.1).float().mean()
    assert share_within == pytest.approx(0.6827, abs=0.01)
    assert not torch.equal(one[0], one[1]) and not torch.equal(one, other)
    assert torch.equal(one, view.apply(patches, view.draw(2, draw(0))))


def test_shift_and_scale_act_on_whole_patches_within_their_limits() -> None:
    patches = torch.randn(200, 1, 6, 6, generator=draw()) + 3
    shifted = Intensities(IntensityConfig(**{**CALM, "shift": 0.5}))
    moved = (shifted.apply(patches, shifted.draw(200, draw())) - patches).flatten(1)
    assert (moved.std(1) < 1e-5).all() and 0.45 < moved.abs().max() <= 0.5
    scaled = Intensities(IntensityConfig(**{**CALM, "scale": 0.3}))
    out = scaled.apply(patches, scaled.draw(200, draw())).flatten(1)
    torch.testing.assert_close(out.mean(1), patches.flatten(1).mean(1))
    factor = out.std(1) / patches.flatten(1).std(1)
    assert 0.7 <= factor.min() < 0.75 and 1.25 < factor.max() <= 1.3


def test_gamma_bends_between_the_extremes_and_keeps_them_and_the_order() -> None:
    patches = torch.linspace(-2, 5, 64).reshape(1, 1, 4, 4, 4).expand(20, 1, 4, 4, 4)
    view = Intensities(IntensityConfig(**{**CALM, "gamma": 0.7}))
    draws = view.draw(20, draw())
    out = view.apply(patches, draws).flatten(1)
    assert (out.diff(dim=1) > 0).all()
    torch.testing.assert_close(out[:, [0, -1]], torch.tensor([[-2.0, 5.0]]).expand(20, 2))
    expected = -2 + 7 * torch.linspace(0, 1, 64) ** draws["gamma"][3]
    torch.testing.assert_close(out[3], expected, rtol=1e-4, atol=1e-4)
    constant = torch.full((1, 1, 3, 3), 2.0)
    torch.testing.assert_close(view.apply(constant, view.draw(1, draw())), constant)


def test_the_draw_of_a_row_does_not_depend_on_the_others() -> None:
    view = Intensities(IntensityConfig(noise=0.2, blur=1.0, gamma=0.3))
    patches = torch.randn(4, 1, 6, 6, 6, generator=draw())
    draws = view.draw(4, draw(2))
    together = view.apply(patches, draws)
    for row in range(4):
        alone = view.apply(patches[row : row + 1], {name: value[row : row + 1] for name, value in draws.items()})
        torch.testing.assert_close(alone[0], together[row])


@pytest.mark.parametrize(
    ("setting", "value"), [("noise", -0.1), ("scale", 1.0), ("blur", 6.0), ("blur_probability", 2)]
)
def test_amounts_out_of_range_are_refused(setting: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{setting} of scan views must be in"):
        IntensityConfig(**{setting: value})
