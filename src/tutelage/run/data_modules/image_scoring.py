"""What networks are scored on in a run on images, what that costs, and what the images say of the scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from tutelage.data.images.dataset import ImageDataset
from tutelage.data.images.evidence import measure_gap, measure_label_fit
from tutelage.data.images.image_set import ImageSubset
from tutelage.data.images.loader import Normalization, unchanged
from tutelage.networks.base import Network
from tutelage.run.data_modules.image_costs import evidence_time, scoring_time
from tutelage.run.data_modules.pretrained_start import PretrainedStart
from tutelage.run.estimate import KEY
from tutelage.run.labeled_features import MOST as MOST_LABELED
from tutelage.run.labeled_features import LabeledReference
from tutelage.run.pile import MOST, MOST_PASSED, TrainingPile
from tutelage.tasks.classification import Classification
from tutelage.tasks.representation import FOLDS, Representation
from tutelage.training.monitor import NeighborExam
from tutelage.training.scoring import Exam, ImageExam
from tutelage.training.state import Training

Rows = NDArray[np.int64]

_BATCH = 64


@dataclass(frozen=True)
class ImageScoring:
    """The exams of a run on its images, or on their features if its network is frozen."""

    data: ImageDataset
    task: Classification | Representation
    normalization: Normalization
    pretrained: PretrainedStart
    device: torch.device
    console: Console

    def exam(self, part: ImageSubset) -> Exam:
        """A part of the data, to score networks on."""
        if isinstance(self.task, Representation):
            own = ImageSubset(self.data.train, self.data.labeled_rows)
            bank = None if part.images is self.data.train else own
            return NeighborExam(self.task, part, bank, self.normalization, self.device)
        rows, images, labels = part.rows, part.images.images, part.images.labels
        if (backbone := self.pretrained.backbone) is None:
            return ImageExam(self.task, images, rows, labels, self.normalization, self.device)
        if images is self.data.train.images and (features := self.pretrained.features) is not None:
            return ImageExam(self.task, features, rows, labels, unchanged, self.device)
        features = backbone.transformed(backbone.raw_features(images[rows], self.console))
        return ImageExam(self.task, features, np.arange(len(rows)), labels[rows], unchanged, self.device)

    def validation(self) -> Exam | None:
        """What networks are scored on during training; features on all labels if none are held out."""
        val, data = self.data.val, self.data
        if not isinstance(self.task, Representation):
            return None if val is None else self.exam(val)
        if val is None and len(data.labeled_rows) >= FOLDS:
            val = ImageSubset(data.train, data.labeled_rows)
        exam = None if val is None else self.exam(val)
        return exam.limited() if isinstance(exam, NeighborExam) else None

    def final_exams(self) -> dict[str, Callable[[], Exam]]:
        """What the networks of the last step are scored on, by part; test images are decoded when asked for."""
        exams: dict[str, Callable[[], Exam]] = {}
        if (validation := self.validation()) is not None:
            exams["validation"] = lambda: validation
        if self.data.has_test:
            exams["test"] = lambda: self.exam(self.data.load_test())
        return exams

    def costs(self, training: Training, seconds: float, *, decoding: float) -> tuple[float, float]:
        """Seconds for one evaluation and for everything after training but the report, measured on some images.

        Args:
            seconds: that measuring may take.
            decoding: seconds to decode an image.
        """
        exam, test = self.validation(), self.data.test_count
        validation, scored = 0 if exam is None else len(exam), test
        if isinstance(self.task, Representation) and test:
            scored += len(self.data.labeled_rows)  # the test images are compared with them
        if isinstance(self.task, Classification) and self.pretrained.features is None:
            scored += min(MOST_PASSED, len(self._trained_on)) + min(MOST_LABELED, len(self.data.labeled_rows))
        each = self.seconds_per_image(training, 0.7 * seconds) if validation + scored else 0.0
        reading = decoding * test
        if self.pretrained.backbone is not None and test:
            reading += test * self.pretrained.backbone.seconds_per_image(self.data.train.images)
        statistics = evidence_time(self.data) if self._gives_evidence(training) else 0.0
        return each * validation, each * (validation + scored) + reading + statistics

    def seconds_per_image(self, training: Training, seconds: float = 1.0) -> float:
        """Seconds to score one image with all networks of the method, measured in about `seconds`."""
        part = self.data.val or ImageSubset(self.data.train, self.data.labeled_rows)
        return scoring_time(self.exam(part), training, seconds)

    def evidence(self, training: Training) -> dict[str, Any]:
        """How labeled and unlabeled images differ, and how well labels fit the images; None if there are too few.

        Where nothing else scores the run, also the score by cross-validation or by a trial, if there is one.
        """
        estimate = self.pretrained.estimate
        found: dict[str, Any] = {} if estimate is None else {KEY: estimate.to_dict()}
        if not self._gives_evidence(training):
            return found  # pixel statistics tell nothing of what a frozen network sees
        images, rows, label = self.data.train.images, self.data.labeled_rows, self.data.train.labels
        val = self.data.val
        if val is not None and val.images.images is images:
            rows, label = np.union1d(rows, val.rows), np.maximum(label, val.images.labels)
        gap = measure_gap(images, rows, self.data.unlabeled_rows, seed=training.seed, label=label)
        fit = measure_label_fit(images, rows, label, seed=training.seed)
        return found | {
            "gap": None if gap is None else dataclasses.asdict(gap),
            "label_fit": None if fit is None else dataclasses.asdict(fit),
        }

    def keep_features(self, run: Path, training: Training) -> None:
        """Write features of training images into a classifier's run; see `TrainingPile` and `LabeledReference`."""
        if not isinstance(self.task, Classification):
            return
        most = MOST if self.pretrained.features is not None else MOST_PASSED
        pile = TrainingPile.of(self._features(TrainingPile.rows(self._trained_on, most), training))
        if pile is not None:
            pile.save(run)
        rows = LabeledReference.rows(self.data.labeled_rows)
        names = [self.data.train.names[row] for row in rows]
        labeled = LabeledReference.of(names, self._features(rows, training))
        if labeled is not None:
            labeled.save(run)

    @torch.no_grad()
    def _features(self, rows: Rows, training: Training) -> NDArray[np.float32]:
        """(n, F): what the head sees of images of training."""
        if (features := self.pretrained.features) is not None:
            return features[rows]
        network, found = cast(Network, training.method.predictor), []
        network.eval()
        for part in np.array_split(rows, max(1, len(rows) // _BATCH)):
            pixels = torch.from_numpy(np.ascontiguousarray(self.data.train.images[part])).to(self.device)
            found.append(network.features(self.normalization(pixels)).float().cpu().numpy())
        return np.concatenate(found)

    @property
    def _trained_on(self) -> Rows:
        return np.union1d(self.data.labeled_rows, self.data.unlabeled_rows)

    def _gives_evidence(self, training: Training) -> bool:
        return self.pretrained.backbone is None and bool(
            training.method.labeled_views and training.method.unlabeled_views
        )
