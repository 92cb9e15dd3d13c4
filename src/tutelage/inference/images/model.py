"""A trained image classifier or encoder, with everything it needs to predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tutelage.core.console import warn
from tutelage.core.errors import ConfigError
from tutelage.core.files import refuse_file
from tutelage.core.names import shown
from tutelage.core.precision import float32_by_default
from tutelage.core.wording import command, option
from tutelage.data.images.framing import FULL_CROP, Framing
from tutelage.data.images.given import Images, list_given
from tutelage.data.images.given_labels import Labels, label_file
from tutelage.data.images.items import Item
from tutelage.data.images.survey import read_pixels
from tutelage.data.kinds import IMAGES
from tutelage.inference.images.doubt import NO_DOUBT, Doubt
from tutelage.inference.images.embed import list_to_embed, table_of, write_embedded
from tutelage.inference.images.encoder import Encoder
from tutelage.inference.images.explain.explain import MapWriter, explain_items
from tutelage.inference.images.explain.explanation import Explanation
from tutelage.inference.images.kept_blocks import KeptBlocks
from tutelage.inference.images.known import NOTHING_KNOWN, Known
from tutelage.inference.images.passes import BLOCK, ImagePass, pass_key
from tutelage.inference.images.predict import WrittenTable, write_predictions
from tutelage.inference.images.prediction import Prediction, Predictions, predictions_of
from tutelage.inference.images.scores import ImageScores, score_images
from tutelage.inference.model import Tell, TrainedModel
from tutelage.networks.base import Network
from tutelage.run.build import build_task
from tutelage.run.frozen_networks import FrozenNetworks
from tutelage.run.held_out import HeldOut
from tutelage.run.weights import calibrate, load_network
from tutelage.tasks.base import Task
from tutelage.tasks.own_metrics import own_metrics
from tutelage.tasks.representation import Representation

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 6  # classes in a repr


@dataclass(frozen=True, repr=False)
class Model(TrainedModel):
    """A trained network, its classes, and the image preparation it was trained with."""

    kind = IMAGES.name
    predict_options = ("resume", "coverage", "unlike", "like", "explain")
    shared = True

    network: Network
    task: Task
    normalization: Callable[[Tensor], Tensor]
    channels: int
    image_size: int
    step: int
    device: torch.device
    own_metrics: tuple[str, ...] = ()
    framing: Framing = FULL_CROP
    known: Known = NOTHING_KNOWN

    @staticmethod
    def load(run: str | Path, *, network: str = "auto", device: str = "auto", calibrated: bool = True) -> Model:
        """The model of a run on images, from its newest checkpoint.

        Probabilities are calibrated if the run knows predictions for enough held-out labels; see `HeldOut`.

        For a pretraining run, or for imported weights without classes, the model is an encoder: it returns features
        and has no head.

        Args:
            network: "student", "teacher", or "auto" for the one that the method evaluates; only that one is calibrated.
            calibrated: whether it is calibrated at all.

        Raises:
            RunError: `run` is not a run folder, or its checkpoints are damaged.
            ConfigError: the run is on scans, the method has no such network, or the device is not available.
        """
        refusal = f"segments scans: use {command('predict')}, {command('evaluate')} or {command('report')} for it"
        loaded = load_network(run, kind=IMAGES, refusal=refusal, network=network, device=device)
        facts, classes = loaded.facts, tuple(loaded.facts["classes"])
        held_out = HeldOut.read(loaded.path, len(classes)) if network == "auto" and loaded.classifies else None
        if calibrated and held_out is not None and held_out.temperature != 1.0:
            calibrate(loaded.network, held_out.temperature)
        return Model(
            network=loaded.network,
            task=build_task(classes, loaded.cfg.method) if loaded.classifies else Representation(classes),
            normalization=loaded.normalization,
            channels=facts["channels"],
            image_size=facts["image_size"],
            step=loaded.step,
            device=loaded.device,
            own_metrics=loaded.cfg.train.metrics,
            framing=Framing.of(loaded.cfg.data),
            known=Known(held_out, loaded.path) if network == "auto" and loaded.classifies else NOTHING_KNOWN,
        )

    def require_classes(self) -> None:
        """Check that the model predicts classes.

        Raises:
            ConfigError: it is a pretrained encoder.
        """
        if isinstance(self.task, Representation):
            raise ConfigError(
                "this run is an encoder trained without labels, which predicts no classes: inspect its features with "
                f"{command('probe')} or {command('embed')}, or start training from it with {option('init_from', 'RUN')}"
            )

    @float32_by_default()
    def probabilities(self, images: np.ndarray) -> Tensor:
        """(N, K) float32 on the CPU, for images (N, C, H, W) uint8 with the model's number of channels and size."""
        pixels = self.normalization(torch.from_numpy(images).to(self.device))
        return self.task.predict(self.network, pixels).float().cpu()

    def get_ready(self) -> None:
        """Do now what the first images would wait for: networks are compiled. It must be called in the main thread."""
        if isinstance(self.normalization, FrozenNetworks):
            self.normalization.compile()
        self.probabilities(np.zeros((1, self.channels, self.image_size, self.image_size), np.uint8))

    @float32_by_default()
    @torch.no_grad()
    def with_features(self, images: np.ndarray) -> Tensor:
        """(N, K + F) float32 on the CPU: the probabilities of `images`, as in `probabilities`, and their features."""
        pixels = self.normalization(torch.from_numpy(images).to(self.device))
        features, plain = self.network.features(pixels), self.network.plain
        probs = self.task.predict(self.network.head, features) if plain else self.task.predict(self.network, pixels)
        return torch.cat([probs.float(), features.float()], dim=1).cpu()

    def image_pass(self, *, workers: int = 2, features: bool = False) -> ImagePass:
        """How images pass the network to get their class probabilities; `workers` threads decode them.

        Args:
            features: followed by their features.
        """
        size, channels, framing = self.image_size, self.channels, self.framing
        rows = self.with_features if features else self.probabilities
        more = ("with features",) if features else ()
        return ImagePass(
            read=lambda items: read_pixels(items, size=size, channels=channels, framing=framing, workers=workers),
            network=lambda images: rows(images).numpy(),
            key=lambda: pass_key(self.network, self.normalization, self.classes, size, channels, framing.key, *more),
        )

    def predictions(
        self, items: list[Item], *, workers: int = 2, batch: int = BLOCK, doubt: Doubt = NO_DOUBT
    ) -> Iterator[Prediction]:
        """One prediction per item, in order; images are read when they are needed."""
        blocks = self.image_pass(workers=workers, features=doubt.needs_features).blocks(items, size=batch)
        return predictions_of(items, (block for _, block in blocks), self.classes, doubt)

    def predict(
        self,
        images: Images,
        *,
        workers: int = 2,
        coverage: float | None = None,
        unlike: bool = False,
        like: bool = False,
    ) -> Predictions:
        """The predicted class and the class probabilities of each image.

        Images are prepared as in training and on the command line: turned upright, resized, standardized. A file, the
        PIL image in it and the array of its pixels have the same probabilities. (An exception are JPEG files of more
        than four times the model's size: they are decoded at a smaller scale, which is faster. An array knows nothing
        of the orientation in a file.)

        Args:
            images: one of these, or a list of them.

                - A path: of an image, or alone of a folder (searched recursively), a list of paths (.txt or .csv), tar
                  shards, or an .npz file.
                - A PIL image of any mode.
                - A NumPy array or torch tensor of one image (H, W), (H, W, C) or (C, H, W), or, alone, of several
                  (N, H, W, C) or (N, C, H, W). C is 1 for gray, 3 for RGB, 4 for RGB with alpha, or the number of
                  channels of a model that was trained on others. uint8 in [0, 255], or floating point in [0, 1], not
                  standardized; integers of more bits if the model was trained on such. Several gray images are
                  (N, H, W, 1). A shape in which channels may come first or last is refused.
            workers: threads that decode files.
            coverage: in (0, 1): also give the set of classes that holds the right one with this probability, as
                `label_set`, and whether that is not a single class, as `unsure`; see `LabelSets`.
            unlike: also say whether each image is unlike those of training: its `typicality`, and `unlike` for the 5%
                of them that are least typical among images like those of training; see `TrainingPile`.
            like: also name the three labeled images of training that each image looks like most; see
                `LabeledReference`.

        Raises:
            DataError: a source does not exist or has no images; an array has another shape, type or range. An image
                that cannot be read is no error: it has the reason in `errors`.
            ConfigError: the model predicts no classes, or knows too little for `coverage`, `unlike`, or `like`.
        """
        self.require_classes()
        doubt = self.known.doubt(coverage=coverage, unlike=unlike, like=like)
        items = self._listed(images)
        return Predictions.of(list(self.predictions(items, workers=workers, doubt=doubt)), self.classes, items)

    def explain(self, images: Images, *, label: str | None = None, workers: int = 2) -> Explanation:
        """Heat maps that say which parts of each image speak for its class: Grad-CAM (arXiv:1610.02391), by captum.

        Args:
            images: as in `predict`.
            label: the class; None takes that which the model predicts for each image.

        Raises:
            TutelageError: as in `predict`; captum is not installed (extra `explain`), or the network has no such maps.
        """
        self.require_classes()
        return explain_items(self, self._listed(images), label=label, workers=workers)

    def _listed(self, images: Images, tell: Tell = warn) -> list[Item]:
        return list_given(images, tell, channels=self.channels, deep=self.framing.levels is not None)

    def predict_into(
        self,
        data: Images,
        out: Path,
        *,
        workers: int = 2,
        overwrite: bool = False,
        keep: bool = False,
        tell: Tell | None = None,
        resume: bool = False,
        coverage: float | None = None,
        unlike: bool = False,
        like: bool = False,
        explain: str | Path | None = None,
        **options: Any,
    ) -> WrittenTable:
        """Write the table of `predict` as CSV; see `TrainedModel.predict_into`.

        Args:
            resume: go on with a table that an interrupted command left incomplete; see `KeptBlocks`.
            coverage, unlike, like: as in `predict`.
            explain: a folder for heat maps of the least certain images, at most 200; `like` is on then where it can be.
        """
        self.require_classes()
        like = like or (explain is not None and self.known.labeled is not None)
        doubt = self.known.doubt(coverage=coverage, unlike=unlike, like=like)
        refuse_file(out, overwrite=overwrite or resume, reads=(data,), endings=(".csv",))
        maps = MapWriter.of(self, explain, out=out, data=data, overwrite=overwrite, resume=resume)
        say: Tell = tell or (lambda line: None)
        kept = KeptBlocks(out, resume=resume, overwrite=overwrite)
        items = self._listed(data, tell or warn)
        return write_predictions(self, items, out, kept, workers=workers, keep=keep, tell=say, doubt=doubt, maps=maps)

    @float32_by_default()
    def score(self, data: str, *, labels: str | None = None, workers: int = 2, tell: Tell | None = None) -> ImageScores:
        """See `TrainedModel.score`.

        Raises:
            ConfigError: the model predicts no classes.
        """
        self.require_classes()
        task = self.task.also_scored_by(own_metrics(self.own_metrics))
        return score_images(replace(self, task=task), data, labels=labels, workers=workers, tell=tell)

    def embed(self, images: Images, *, labels: Labels | None = None, workers: int = 2) -> pd.DataFrame:
        """A table of `path, label, f0, f1, ...`: the features of each image; the label is None if unknown.

        Images that cannot be read are left out.

        Args:
            images: as in `predict`, with or without labels.
            labels: of a folder of images, as in `tutelage.train`.

        Raises:
            DataError: a source does not exist, or has no image that can be read; see `predict`.
        """
        shape = self.channels, self.image_size
        encoder = Encoder(self.network, self.normalization, *shape, self.device, self.step, self.framing)
        with label_file(labels) as table:
            items = list_to_embed(images, table, channels=self.channels)
        return table_of(write_embedded(encoder, items, None, workers=workers))

    def __repr__(self) -> str:
        classes = ", ".join(map(shown, self.classes[:_SHOWN]))
        classes += f", ... ({len(self.classes)})" if len(self.classes) > _SHOWN else ""
        channels = {1: "gray", 3: "RGB"}.get(self.channels, f"{self.channels}-channel")
        return (
            f"<tutelage.Model: classes {classes or 'none, an encoder'}; {channels} images of {self.image_size} x "
            f"{self.image_size}; step {self.step:,}; {self.device}>"
        )
