"""Nothing in a step waits for a GPU, seen without one.

The device is "meta", whose tensors have no values: reading one is an error, and copies that the CPU would wait for are
detected. What torch does not offer on "meta" is left out: autocast and the optimizer's kernel.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from tutelage.augment.ct_augment import CTAugment
from tutelage.augment.rand_augment import VARIANTS
from tutelage.augment.view import ImageShape
from tutelage.augment.views import build_views
from tutelage.config import resolve
from tutelage.config.augment import AugmentConfig, StrongConfig
from tutelage.core.batch import StepOutput
from tutelage.core.seeding import generator
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import pixel_statistics, unchanged
from tutelage.methods import CLASSIFIERS
from tutelage.methods.base import Method
from tutelage.networks.base import Network
from tutelage.networks.frozen import FeatureHead
from tutelage.run.build import build_predictor
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.training.health import Health
from tutelage.training.loop import run_step
from tutelage.training.state import Training
from tutelage.training.window import Window

META = torch.device("meta")
MAKERS = {torch.tensor, torch.as_tensor, Tensor.new_tensor}
COPIES = {torch.ops.aten._to_copy.default: 0, torch.ops.aten.copy_.default: 1}  # where their source is among arguments


class Waits(RuntimeError):
    """The CPU would wait for the device."""


class WatchCopies(TorchDispatchMode):
    """Raises `Waits` at a copy from the CPU to the device that is not `non_blocking`."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if (source := COPIES.get(func)) is not None:
            unwaited = kwargs.get("non_blocking", len(args) > 2 and args[2])
            if args[source].device.type == "cpu" and result.device == META and not unwaited:
                raise Waits("a tensor is copied to the device")
        return result


class WatchLists(TorchFunctionMode):
    """Raises `Waits` where a list becomes a tensor on the device, which copies it there."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in MAKERS and result.device == META and not any(isinstance(value, Tensor) for value in args[-1:]):
            raise Waits("a list is copied to the device")
        if func in (Tensor.__getitem__, Tensor.__setitem__) and args[0].device == META:
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(isinstance(part, list) or (isinstance(part, Tensor) and part.device != META) for part in index):
                raise Waits("an index is copied to the device")
        return result


@contextlib.contextmanager
def watch() -> Iterator[None]:
    """Raises `Waits` where the CPU would wait for the device."""
    with WatchLists(), WatchCopies():
        yield


@pytest.fixture
def no_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without what torch does not offer on "meta"."""
    monkeypatch.setattr(Training, "autocast", lambda self: contextlib.nullcontext())
    monkeypatch.setattr(torch.optim.SGD, "step", lambda self: None)
    return


def step_twice(method: type[Method], digits: Path, **settings: Any) -> list[StepOutput]:
    """A step that may copy constants, and two that are watched."""
    given = {"method.name": method.name, "network.name": "wrn-10-1", "optimizer.clip_norm": 5.0, "train.steps": 9}
    data = {"data.path": str(digits), "data.label_count": 40, "train.batch_size": 8, "train.workers": 0}
    cfg = resolve(given | data | settings)
    dataset = load_images(cfg.data, seed=0)
    student: Network = build_predictor(cfg, num_classes=10, channels=1, image_size=8)
    inputs = Inputs(dataset.train.images, pixel_statistics(dataset.train.images))
    if method.needs_features:
        student = FeatureHead(64, 10)
        inputs = Inputs(dataset.train.images.reshape(-1, 64).astype(np.float32), unchanged)
    training = build_training(cfg, dataset, inputs, META, student)
    training.method.train()
    health, window = Health(META), Window()
    run_step(training, 0, health)
    with watch():
        outputs = [run_step(training, step, health) for step in (1, 2)]
        for out in outputs:
            window.add({"loss": out.loss.detach(), **out.log}, META)
    return outputs


@pytest.mark.usefixtures("no_kernels")
@pytest.mark.parametrize("method", CLASSIFIERS, ids=lambda m: m.name)
def test_a_step_never_waits_for_the_device(method: type[Method], few_digits: Path) -> None:
    assert all(out.loss.device == META for out in step_twice(method, few_digits))


@pytest.mark.usefixtures("no_kernels")
def test_the_passes_that_read_a_number_of_rows_are_seen_to_wait(few_digits: Path) -> None:
    fixmatch = next(method for method in CLASSIFIERS if method.name == "fixmatch")
    with pytest.raises(NotImplementedError, match="meta"):
        step_twice(fixmatch, few_digits, **{"method.passes": "kept"})


@pytest.mark.parametrize(
    "copy",
    [
        lambda there: there.new_tensor([1.0, 2.0]),
        lambda there: torch.tensor([1.0, 2.0], device=META),
        lambda there: torch.as_tensor([1.0, 2.0], device=META),
        lambda there: torch.ones(2).to(META),
        lambda there: there.copy_(torch.ones(2, 3)),
        lambda there: there[:, [0, 2]],
        lambda there: there[torch.tensor([0])],
    ],
)
def test_a_copy_to_the_device_that_is_waited_for_is_seen(copy: Callable[[Tensor], Tensor]) -> None:
    with watch(), pytest.raises(Waits):
        copy(torch.empty(2, 3, device=META))


def test_what_is_not_waited_for_passes() -> None:
    there = torch.empty(2, 3, device=META)
    with watch():
        there[:, 1:] += 1
        there.copy_(torch.ones(2, 3), non_blocking=True)
        torch.stack([there.new_full((1, 3), 2.0), there[:1]])
        torch.full((), 3.0, device=META)
        there[torch.zeros(1, dtype=torch.int64).to(META, non_blocking=True)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("variant", [*VARIANTS, "ctaugment"])
def test_no_strong_view_waits_for_the_device(variant: str, channels: int) -> None:
    policy = {"policy": "ctaugment"} if variant == "ctaugment" else {"variant": variant}
    shape = ImageShape(channels, 16, 16)
    config = AugmentConfig(strong=StrongConfig(**policy))  # type: ignore[arg-type]
    names = ("weak", "strong", "contrastive")
    for view in build_views(names, config, shape, CTAugment(config.ct) if "ctaugment" in policy.values() else None):
        draws = view.draw(64, shape, generator(0, "draw"))
        images = torch.empty(64, channels, 16, 16, dtype=torch.uint8, device=META)
        with watch():
            assert view.apply(images, draws).device == META
