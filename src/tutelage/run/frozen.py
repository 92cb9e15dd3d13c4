"""A frozen pretrained backbone: each image passes it once, and heads are trained on the cached features."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

from tutelage.config.network import NetworkConfig
from tutelage.core.cache_folder import cache_folder
from tutelage.core.errors import CheckpointError, ConfigError
from tutelage.data.images.feature_store import FeatureStore
from tutelage.data.images.loader import Normalization
from tutelage.data.images.streamed import ImageRows
from tutelage.networks.build import build_network, timm_name
from tutelage.networks.engine import Engine, fast_engine, network_key
from tutelage.networks.feature_transform import FEATURE_DIMS, FeatureTransform
from tutelage.networks.timm_network import TimmNetwork, preparation
from tutelage.run.budget import Deadline, budget_text

_BATCH = 32  # images that pass at a time
_KEPT_AT_ONCE = 128  # images; so much is lost if the process is killed
_TRIAL = 8  # images that pass to time them
_AFTERWARDS = 10.0  # seconds for the head, its scores and the report
_WORTH_COMPILING = 100  # images from which on a faster engine pays for the seconds that compiling it takes
_VERSION = 1  # of the features; raise it when something that they depend on changes
_TRUNK, _TRANSFORM = "trunk.", "transform."


@dataclass
class FrozenBackbone:
    """A pretrained network without its classifier, and the features of images.

    Called with images (B, C, S, S) uint8 it returns what a head sees of them, (B, D) float32: it takes the place of the
    normalization of images where the network is a `FeatureHead`.

    Attributes:
        trunk: maps standardized images (B, 3, S, S) to features (B, F), in evaluation mode.
        image_size: S, in pixels.
        loaded: what its weights are, in words.
        width: F, the number of features.
        transform: of the features, once it has been fitted.
        seconds: that an image took, once some have passed.
    """

    trunk: nn.Module
    normalization: Normalization
    image_size: int
    device: torch.device
    loaded: str
    width: int
    transform: FeatureTransform | None = None
    seconds: float | None = None

    @property
    def dims(self) -> int:
        """D, the number of coordinates that a head sees."""
        assert self.transform is not None
        return self.transform.dims

    def __call__(self, images: Tensor) -> Tensor:
        """(B, D) float32 on the device of `images` (B, C, S, S) uint8; features that are cached are not recomputed."""
        raw = self.raw_features(images.cpu().numpy(), keep=False)
        return torch.from_numpy(self.transformed(raw)).to(images.device)

    @staticmethod
    def published(config: NetworkConfig, image_size: int, device: torch.device) -> FrozenBackbone:
        """The network of that name, with its published weights.

        Raises:
            ConfigError: there is no such network, or its weights are not available.
            CheckpointError: the weights do not fit.
        """
        network = build_network(config, num_classes=2, channels=3, image_size=image_size)
        assert isinstance(network, TimmNetwork)
        prepared = preparation(timm_name(config))
        normalization = Normalization(prepared.mean, prepared.std)
        trunk = network.trunk.eval().requires_grad_(False)
        loaded = f"{network.loaded}; license: {prepared.license or 'not stated'}"
        return FrozenBackbone(trunk, normalization, image_size, device, loaded, network.width)

    @staticmethod
    def restored(
        tensors: Mapping[str, Tensor],
        config: NetworkConfig,
        image_size: int,
        normalization: Normalization,
        device: torch.device,
        *,
        file: Path,
    ) -> FrozenBackbone:
        """The network of that name, with tensors that `state` gave.

        Args:
            file: where they are from.

        Raises:
            CheckpointError: they do not fit.
        """
        network = build_network(config, num_classes=2, channels=3, image_size=image_size, published=False)
        assert isinstance(network, TimmNetwork)
        transform = FeatureTransform(*tensors.get(f"{_TRANSFORM}components", torch.zeros(1, 1)).shape)
        parts = nn.ModuleDict({"trunk": network.trunk, "transform": transform})
        try:
            parts.load_state_dict(tensors)
        except RuntimeError as error:
            fault = f"{file} does not fit the network {config.name}"
            raise CheckpointError(f"{fault}: {str(error).splitlines()[1].strip()}") from None
        parts.eval().requires_grad_(False)
        loaded = str(file.parent)
        return FrozenBackbone(network.trunk, normalization, image_size, device, loaded, network.width, transform)

    def state(self) -> dict[str, Tensor]:
        """The tensors `trunk.*` and `transform.*`."""
        assert self.transform is not None
        tensors = {_TRUNK + name: value for name, value in self.trunk.state_dict().items()}
        return tensors | {_TRANSFORM + name: value for name, value in self.transform.state_dict().items()}

    def fit_transform(self, raw: NDArray[np.float32], dims: int | None) -> None:
        """Fit the transform to the features (N, F) of the training images."""
        self.transform = FeatureTransform.fit(torch.from_numpy(raw), dims or FEATURE_DIMS)

    def transformed(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, D) float32 from the features (N, F)."""
        assert self.transform is not None
        rows: NDArray[np.float32] = self.transform(torch.from_numpy(raw)).numpy()
        return rows

    def raw_features(
        self,
        images: ImageRows,
        console: Console | None = None,
        *,
        keep: bool = True,
        deadline: Deadline | None = None,
        later: float = 0.0,
    ) -> NDArray[np.float32]:
        """(N, F) float32 of images (N, C, S, S) uint8; those that are in the cache do not pass the network.

        Args:
            console: where the number of images that passed and the time it took are printed; None prints nothing.
            keep: write what was computed to the cache.
            deadline: give up as soon as it is clear that the images would not pass before it.
            later: seconds that other networks will take before it.

        Raises:
            ConfigError: they would not. What was computed is in the cache.
        """
        digests = [_digest(image) for image in images]
        known = self._store.get(digests)
        missing = [row for row, digest in enumerate(digests) if digest not in known]
        if console is not None and len(missing) < len(digests):
            console.print(f"- the features of {len(digests) - len(missing)} images come from the cache")
        if console is not None and missing:
            console.print(f"- passing {len(missing)} images through the frozen network once")
        engine = self._engine(len(images)) if missing else None
        begin = time.perf_counter()
        for start in range(0, len(missing), _KEPT_AT_ONCE):
            assert engine is not None
            rows = missing[start : start + _KEPT_AT_ONCE]
            found = dict(zip((digests[row] for row in rows), self._pass(images, rows, engine), strict=True))
            if keep:
                self._store.put(found.items())
            known |= found
            done = start + len(rows)
            self.seconds = (time.perf_counter() - begin) / done
            if deadline is not None and deadline.left() < (len(missing) - done) * self.seconds + later:
                raise ConfigError(_no_time(len(missing), done, self.seconds, deadline, later))
        if console is not None and missing:
            seconds = time.perf_counter() - begin
            console.print(f"- {len(missing)} images passed through the frozen network once, in {seconds:.0f} s")
        return np.stack([known[digest] for digest in digests])

    def seconds_per_image(self, images: ImageRows) -> float:
        """The time of one image, as measured last, or else on a few of `images` (N, C, S, S)."""
        if self.seconds is None:
            engine, rows = self._engine(_WORTH_COMPILING), list(range(min(_TRIAL, len(images))))
            begin = time.perf_counter()
            self._pass(images, rows, engine)
            self.seconds = (time.perf_counter() - begin) / len(rows)
        return self.seconds

    def seconds_needed(self, images: ImageRows) -> float:
        """The time that those of `images` (N, C, S, S) take which are not in the cache."""
        digests = {_digest(image) for image in images}
        missing = len(digests) - len(self._store.get(list(digests)))
        return missing * self.seconds_per_image(images) if missing else 0.0

    def compile(self) -> None:
        """Take the faster engine from now on, also for few images. It must be called in the main thread."""
        _ = self._fast

    def _engine(self, total: int) -> Engine:
        """The faster engine, if there are enough images (`total`) to make up for compiling it."""
        return self._fast if total >= _WORTH_COMPILING or "_fast" in vars(self) else self._plain

    def _pass(self, images: ImageRows, rows: list[int], engine: Engine) -> NDArray[np.float32]:
        parts = []
        for start in range(0, len(rows), _BATCH):
            pixels = torch.from_numpy(np.ascontiguousarray(images[rows[start : start + _BATCH]])).to(self.device)
            parts.append(engine(self.normalization(pixels.expand(-1, 3, -1, -1))).cpu())
        return torch.cat(parts).numpy()

    @cached_property
    def _fast(self) -> Engine:
        cache = cache_folder() / "engines" / f"{self.key}.openvino"
        return fast_engine(self.trunk, self.image_size, self.device, cache=cache)

    @cached_property
    def _plain(self) -> Engine:
        return fast_engine(self.trunk, self.image_size, self.device, kind="torch")

    @cached_property
    def _store(self) -> FeatureStore:
        return FeatureStore(cache_folder() / "features" / f"{self.key}.sqlite", self.width)

    @cached_property
    def key(self) -> str:
        """32 hexadecimal digits that change with everything that features depend on besides the image."""
        return network_key(self.trunk, (_VERSION, self.image_size, self.normalization))


def _no_time(missing: int, done: int, each: float, deadline: Deadline, later: float) -> str:
    needed = deadline.spent() + (missing - done) * each + later + _AFTERWARDS
    return (
        f"train.budget {deadline.text} is too short to pass {missing} images through the frozen network, which take "
        f"{missing * each + later:.0f} s. --budget {budget_text(1.2 * needed)} would do; or lower data.image_size. "
        f"{done} of them are cached, so a rerun starts from there"
    )


def _digest(image: NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16).digest()
