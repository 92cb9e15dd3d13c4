"""A trained network with all that it needs to predict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from tutelage.core.devices import choose_device
from tutelage.core.errors import CheckpointError, ConfigError, DataError
from tutelage.data.images.items import Item, Unreadable
from tutelage.data.images.loader import Normalization
from tutelage.data.images.source import list_source
from tutelage.data.images.survey import read_pixels
from tutelage.networks.base import Network
from tutelage.run.build import build_predictor, build_task, evaluated_network, learns_from_labels
from tutelage.run.run_record import RunRecord
from tutelage.tasks.base import Task
from tutelage.tasks.representation import Representation
from tutelage.training.checkpoint import load_checkpoint

if TYPE_CHECKING:
    import pandas as pd

NETWORKS = ("auto", "student", "teacher")


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image: its probabilities (K,), or None and why it could not be read."""

    name: str
    probs: np.ndarray | None
    error: str = ""


@dataclass(frozen=True)
class Model:
    """A trained network, its classes, and the preparation of images that it was trained with."""

    network: nn.Module
    task: Task
    normalization: Normalization
    channels: int
    image_size: int
    step: int
    device: torch.device

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the probabilities."""
        return self.task.classes

    @staticmethod
    def load(run: str | Path, *, network: str = "auto", device: str = "auto") -> Model:
        """The model of a run on images, from its newest checkpoint. That of a pretraining, or of imported weights
        without classes, is the encoder: it gives features, and has no head.

        Args:
            network: "student", "teacher", or "auto" for the one that the method evaluates.

        Raises:
            RunError: `run` is no run folder, or its checkpoints are damaged.
            ConfigError: the run is on scans, the method has no such network, or the device is not there.
        """
        record = RunRecord(run)
        if record.kind != "images":
            raise ConfigError(f"{run} segments scans: tutelage predict, evaluate and report are for it")
        cfg, facts = record.cfg, record.data
        place = choose_device(device)
        if network not in NETWORKS:
            raise ConfigError(f"--network must be one of {', '.join(NETWORKS)}, got {network!r}")
        classifies = learns_from_labels(cfg.method) and bool(facts["classes"])
        student = build_predictor(
            cfg,
            num_classes=max(1, len(facts["classes"])),
            channels=facts["channels"],
            image_size=facts["image_size"],
            published=False,
        )
        if not classifies:
            student.head = nn.Identity()  # type: ignore[assignment]  # what it was trained with served training alone
        step = load_predictor(student, record.path, evaluated_network(cfg.method) if network == "auto" else network)
        return Model(
            network=student.to(place).eval(),
            task=build_task(facts["classes"], cfg.method) if classifies else Representation(facts["classes"]),
            normalization=Normalization(tuple(facts["mean"]), tuple(facts["std"])),
            channels=facts["channels"],
            image_size=facts["image_size"],
            step=step,
            device=place,
        )

    def require_classes(self) -> None:
        """Check that the model predicts classes.

        Raises:
            ConfigError: it is a pretrained encoder.
        """
        if isinstance(self.task, Representation):
            raise ConfigError(
                "this run pretrained an encoder without labels, which predicts no classes: look at its features with "
                "tutelage probe or embed, or train from it (tutelage train ... --init-from RUN)"
            )

    def probabilities(self, images: np.ndarray) -> Tensor:
        """(N, K) float32 on the CPU, for images (N, C, H, W) uint8 of the model's channels and size."""
        pixels = self.normalization(torch.from_numpy(images).to(self.device))
        return self.task.predict(self.network, pixels).float().cpu()

    def predictions(self, items: list[Item], *, workers: int = 2, batch: int = 256) -> Iterator[Prediction]:
        """A prediction for each item, in order; images are read as they are needed."""
        pixels = read_pixels(items, size=self.image_size, channels=self.channels, workers=workers)
        for start in range(0, len(items), batch):
            block = [next(pixels) for _ in items[start : start + batch]]
            good = [image for image in block if not isinstance(image, Unreadable)]
            probs = iter(self.probabilities(np.stack(good)).numpy() if good else ())
            for item, image in zip(items[start:], block, strict=False):
                if isinstance(image, Unreadable):
                    yield Prediction(item.name, None, image.reason)
                else:
                    yield Prediction(item.name, next(probs))

    def predict(self, source: str | Path, *, workers: int = 2) -> pd.DataFrame:
        """A table of `path, label, confidence, p_<class>..., error`, one row an image.

        Args:
            source: an image, a folder, a list of paths (.txt or .csv), tar shards, or an .npz file.

        Raises:
            DataError: there is no such source, or no image in it.
            ConfigError: the model predicts no classes.
        """
        import pandas as pd

        self.require_classes()
        return pd.DataFrame([row_of(p, self.classes) for p in self.predictions(list_items(source), workers=workers)])

    def embed(self, source: str | Path, *, labels: str | Path | None = None, workers: int = 2) -> pd.DataFrame:
        """A table of `path, label, f0, f1, ...`: the features of each image, see `embed_table`.

        Args:
            source: any images, with or without labels.
            labels: CSV with the columns path,label.

        Raises:
            DataError: there is no such source, or no image in it that can be read.
        """
        from tutelage.inference.embed import embed_table, list_to_embed
        from tutelage.inference.encoder import Encoder

        network = cast(Network, self.network)
        encoder = Encoder(network, self.normalization, self.channels, self.image_size, self.device, self.step)
        items = list_to_embed(str(source), None if labels is None else str(labels))
        return embed_table(encoder, items, workers=workers)

    def evaluate(self, source: str | Path, *, labels: str | Path | None = None, workers: int = 2) -> dict[str, Any]:
        """Metrics on labeled images; see `Classification.metrics` for what they are.

        Raises:
            DataError: there is no such source, an image cannot be read, or a label is not one of the model's classes.
        """
        from tutelage.commands.evaluate import score_source

        self.require_classes()
        return score_source(self, str(source), labels=None if labels is None else str(labels), workers=workers)


def list_items(source: str | Path) -> list[Item]:
    """The images of a source to predict.

    Raises:
        DataError: there is no such source, no image in it, or it cannot be read as what it is.
    """
    listing = list_source(str(source), role="predict")
    if listing.faults:
        raise DataError(listing.faults)
    return listing.items


def row_of(prediction: Prediction, classes: tuple[str, ...]) -> dict[str, Any]:
    """A row of the table of predictions; numbers are None where the image could not be read."""
    row: dict[str, Any] = {"path": prediction.name, "label": "", "confidence": None}
    row |= {f"p_{name}": None for name in classes}
    if prediction.probs is not None:
        best = int(prediction.probs.argmax())
        row |= {"label": classes[best], "confidence": float(prediction.probs[best])}
        row |= {f"p_{name}": float(p) for name, p in zip(classes, prediction.probs, strict=True)}
    return row | {"error": prediction.error}


def load_predictor(network: nn.Module, run: Path, which: str) -> int:
    """Load the weights of `which` ("student" or "teacher") from the run's newest checkpoint; gives its step.

    Raises:
        ConfigError: the method has no such network.
        CheckpointError: there is no good checkpoint, or the weights do not fit.
    """
    checkpoint = load_checkpoint(run / "checkpoints")
    weights = weights_of(checkpoint.tensors, which)
    if not weights:
        raise ConfigError(f"the method of {run} has no {which}")
    own = network.state_dict()
    if isinstance(network.head, nn.Identity):
        weights = {name: value for name, value in weights.items() if not name.startswith("head.")}
    other = [name for name in own | weights if _shape(own, name) != _shape(weights, name)]
    if other:
        raise CheckpointError(
            f"the weights in {run} do not fit its network: {len(other)} of {len(own)} tensors differ, first {other[0]}"
        )
    network.load_state_dict(weights)
    return checkpoint.step


def _shape(tensors: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(tensors[name].shape) if name in tensors else None


def weights_of(tensors: Mapping[str, Tensor], which: str) -> dict[str, Tensor]:
    """The state dict of the student or of the teacher's network in a checkpoint's tensors."""
    prefix = {"student": "method.student.", "teacher": "method.teacher.network."}[which]
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
