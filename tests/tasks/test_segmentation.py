"""Segmentation: its loss against a naive version and MONAI's, and predictions of whole volumes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reference import segmentation as reference
from tutelage.config.segmentation import SegmentationConfig
from tutelage.core.errors import ConfigError, DataError
from tutelage.networks.vnet import VNet
from tutelage.tasks.segmentation import Segmentation
from tutelage.tasks.sliding_window import predict_slabs, predict_windows

DATA = Path(os.environ.get("TUTELAGE_DATA", Path(__file__).parents[3] / "shared" / "data"))


def task(patch: tuple[int, ...] = (4, 4, 4), classes: str = "abc", **settings: Any) -> Segmentation:
    return Segmentation(classes, patch_size=patch, cfg=SegmentationConfig(**settings))


def example(size: tuple[int, ...] = (3, 4, 2), seed: int = 0, least: int = -1) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, *size, generator=draw), torch.randint(least, 3, (2, *size), generator=draw)


@pytest.mark.parametrize("size", [(3, 4, 2), (5, 4)])
@pytest.mark.parametrize("classes", ["foreground", "all"])
@pytest.mark.parametrize("sums", ["batch", "row"])
@pytest.mark.parametrize("squares", [True, False])
def test_the_loss_is_the_weighted_sum_of_cross_entropy_and_dice(
    size: tuple[int, ...], classes: str, sums: str, squares: bool
) -> None:
    logits, label = example(size)
    made = task(
        (4,) * len(size),
        cross_entropy_weight=0.7,
        dice_weight=2.0,
        dice_classes=classes,
        dice_sums=sums,
        dice_squares=squares,
    )
    args = (logits.double().numpy(), label.numpy())
    dice = reference.dice_loss(*args, classes=classes, sums=sums, squares=squares)
    assert float(made.loss(logits, label)) == pytest.approx(0.7 * reference.cross_entropy(*args) + 2.0 * dice, rel=1e-5)


@pytest.mark.parametrize(("batch", "squares", "background"), [(True, True, False), (False, False, True)])
def test_the_loss_is_monais_where_every_voxel_has_a_label(batch: bool, squares: bool, background: bool) -> None:
    from monai.losses import DiceCELoss

    logits, label = example(least=0)
    theirs = DiceCELoss(
        include_background=background,
        to_onehot_y=True,
        softmax=True,
        squared_pred=squares,
        batch=batch,
        lambda_dice=0.5,
        lambda_ce=0.5,
    )
    mine = task(
        dice_classes="all" if background else "foreground", dice_sums="batch" if batch else "row", dice_squares=squares
    )
    assert float(mine.loss(logits, label)) == pytest.approx(float(theirs(logits, label[:, None])), abs=1e-6)


def test_ignored_voxels_change_neither_loss_nor_gradient() -> None:
    logits, label = example()
    other = torch.where((label == -1)[:, None], torch.randn_like(logits) * 9, logits)
    losses = []
    for given in (logits, other):
        given = given.clone().requires_grad_()
        loss = task().loss(given, label)
        loss.backward()
        assert given.grad is not None
        assert float(given.grad.movedim(1, -1)[label == -1].abs().max()) == 0.0
        losses.append(float(loss.detach()))
    assert losses[0] == losses[1]


def test_a_batch_without_any_label_or_any_foreground_has_a_finite_loss_and_gradient() -> None:
    logits, label = example()
    for given in (torch.full_like(label, -1), torch.zeros_like(label)):
        wanted = logits.clone().requires_grad_()
        loss = task().loss(wanted, given)
        loss.backward()
        assert wanted.grad is not None
        assert bool(torch.isfinite(loss)) and bool(torch.isfinite(wanted.grad).all())


class Channels(nn.Module):
    """Logits are the image's own channels: at each voxel the answer depends on that voxel alone."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.modes: set[bool] = set()
        self.most = 0

    def forward(self, images: Tensor) -> Tensor:
        self.modes.add(self.training)
        self.most = max(self.most, len(images))
        return images * self.scale


@pytest.mark.parametrize("size", [(7, 9, 5), (4, 4, 4), (3, 9, 2), (1, 1, 1)])
@pytest.mark.parametrize("settings", [{}, {"strides": (3, 2, 1)}, {"window_weight": "gaussian"}, {"flips": True}])
def test_a_network_that_looks_at_one_voxel_gives_its_softmax_whatever_the_windows(
    size: tuple[int, ...], settings: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    image, network = torch.randn(2, 3, *size), Channels().train()
    probs = task(**settings).predict(network, image)
    torch.testing.assert_close(probs, image.softmax(1), rtol=1e-5, atol=1e-6)
    assert network.modes == {False} and network.training and network.most <= 4


def test_windows_of_slices_are_windows_of_two_axes() -> None:
    image = torch.randn(1, 3, 9, 5)
    torch.testing.assert_close(task((4, 4)).predict(Channels(), image), image.softmax(1))


class Mean(nn.Module):
    """Two classes, by the sum over the window: so the answer depends on where windows lie."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        first = images + images.mean((2, 3, 4), keepdim=True)
        return torch.cat([first, -first * torch.linspace(0, 1, images.shape[2])[:, None, None]], 1) * self.weight


@pytest.mark.parametrize(
    ("size", "window", "strides"),
    [
        ((20, 19, 11), (8, 8, 8), (3, 8, 1)),
        ((5, 30, 6), (8, 8, 8), (4, 4, 4)),
        ((96, 4, 4), (96 - 0, 4, 4), (16, 1, 2)),
        ((40, 4, 4), (24, 4, 4), (4, 4, 4)),
    ],
)
def test_windows_start_where_the_plain_loop_starts_them(
    size: tuple[int, ...], window: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    image, network = torch.randn(1, 1, *size), Mean()
    probs = task(window, "ab", strides=strides).predict(network, image)[0]
    plain = reference.predict_windows(
        lambda box: network(torch.from_numpy(box)).softmax(1).detach().numpy(), image[0].numpy(), window, strides
    )
    np.testing.assert_allclose(probs.numpy(), plain, atol=1e-6)


@pytest.mark.skipif(not (DATA / "left_atrium").is_dir(), reason="needs the left-atrium scans: set TUTELAGE_DATA")
def test_a_real_scan_is_predicted_as_by_the_plain_loop() -> None:
    import h5py

    with h5py.File(sorted((DATA / "left_atrium").rglob("*.h5"))[0]) as file:
        image = torch.from_numpy(file["image"][:96, :80, :48])
    torch.manual_seed(0)
    window, strides = (48, 48, 32), (30, 18, 16)
    network = VNet(num_classes=2, width=2).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 1.5, 2.5)  # so that the answer is not the same everywhere

    def predict(box: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(torch.from_numpy(box)).softmax(1).numpy()

    probs = task(window, "ab", strides=strides).predict(network, image[None, None])[0].numpy()
    assert float(np.ptp(probs[1])) > 0.01
    np.testing.assert_allclose(
        probs, reference.predict_windows(predict, image[None].numpy(), window, strides), atol=1e-5
    )


def test_the_largest_piece_of_each_class_is_kept() -> None:
    label = torch.zeros(1, 5, 5, dtype=torch.int64)
    label[0, 0, :2], label[0, 4, 4], label[0, 2, 2], label[0, 3, 3] = 1, 1, 2, 2  # the two of class 2 touch at a corner
    probs = nn.functional.one_hot(label, 3).movedim(-1, 1).float()
    assert torch.equal(task((4, 4)).decide(probs), label)
    kept = label.clone()
    kept[0, 4, 4] = 0
    assert torch.equal(task((4, 4), largest_component=True).decide(probs), kept)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strides": (5, 4, 4)}, r"segmentation.strides must be 1 or 3 numbers, at most the patch size \(4, 4, 4\)"),
        ({"strides": (2, 2)}, "segmentation.strides must be 1 or 3 numbers"),
        ({"strides": (0,)}, "segmentation.strides must be up to 3 numbers of voxels"),
        ({"strides": (2,), "overlap": 0.2}, "segmentation.overlap does nothing with segmentation.strides"),
        ({"overlap": 1.0}, r"segmentation.overlap must be in \[0, 1\)"),
        ({"window_batch": 0}, "segmentation.window_batch must be at least 1"),
        ({"dice_weight": -1.0}, "segmentation.dice_weight must be at least 0"),
        ({"dice_weight": 0.0, "cross_entropy_weight": 0.0}, "are both 0: nothing would be trained"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        task(**settings)


def test_one_class_alone_or_one_axis_alone_is_refused() -> None:
    with pytest.raises(DataError, match="a background and at least one more class"):
        Segmentation(["background"], patch_size=(4, 4))
    with pytest.raises(ConfigError, match="two or three axes"):
        Segmentation("ab", patch_size=(4,))


def test_the_published_strides_are_kept_exactly() -> None:
    made = Segmentation("ab", patch_size=(112, 112, 80), cfg=SegmentationConfig(strides=(18, 18, 4)))
    assert made.strides == (18, 18, 4)
    assert task((96, 96, 96)).strides == (48, 48, 48)


@pytest.mark.parametrize("weight", ["constant", "gaussian"])
@pytest.mark.parametrize(
    ("shape", "window", "strides"),
    [
        ((1, 1, 20, 23, 17), (8, 8, 8), (4, 4, 4)),
        ((2, 1, 20, 23, 17), (8, 9, 6), (5, 4, 3)),
        ((1, 2, 5, 23, 17), (8, 8, 8), (4, 8, 4)),
        ((1, 1, 6, 7), (8, 8), (4, 4)),
        ((3, 1, 30, 20), (8, 16), (8, 5)),
    ],
)
def test_windows_and_slabs_are_those_of_monai(
    shape: tuple[int, ...], window: tuple[int, ...], strides: tuple[int, ...], weight: Any
) -> None:
    from monai.inferers.utils import sliding_window_inference

    torch.manual_seed(0)
    kind = nn.Conv3d if len(window) == 3 else nn.Conv2d
    network, volume = kind(shape[1], 3, 3, padding=1).requires_grad_(False), torch.randn(shape)

    def predict(windows: torch.Tensor) -> torch.Tensor:
        probs: torch.Tensor = network(windows).softmax(1)
        return probs

    overlap = [max(0.0, 1.0 - stride / size - 1e-9) for size, stride in zip(window, strides, strict=True)]
    expected = sliding_window_inference(volume, window, 4, predict, overlap=overlap, mode=weight)
    assert torch.equal(predict_windows(predict, volume, window, strides=strides, weight=weight), expected)
    for axis in range(len(window)):
        made = predict_slabs(predict, volume, window, strides=strides, weight=weight, axis=axis)
        slabs = [(start, slab.clone()) for start, slab in made]
        found = torch.cat([slab for _, slab in slabs], dim=2 + axis)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
        ends = np.cumsum([0, *(slab.shape[2 + axis] for _, slab in slabs)])
        assert [start for start, _ in slabs] == ends[:-1].tolist() and ends[-1] == shape[2 + axis]
