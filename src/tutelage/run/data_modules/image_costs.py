"""How long scores and statistics after training take, measured on some images."""

from __future__ import annotations

import time

import numpy as np

from tutelage.data.images.dataset import ImageDataset
from tutelage.data.images.evidence import MOST as MOST_FOR_EVIDENCE
from tutelage.data.images.evidence import pixel_features
from tutelage.run.recorder import networks
from tutelage.training.scoring import Exam
from tutelage.training.state import Training

_TIMED = 512  # images
_TIMED_STATISTICS = 16  # images


def scoring_time(exam: Exam, training: Training, seconds: float = 1.0) -> float:
    """Seconds to score one image with all networks of the method.

    Measured on two images, then on four times as many, and so on, while that fits `seconds`.
    """
    network = training.method.student
    exam.first(2).score(network)  # the first time, libraries are imported, which takes seconds
    count, spent = 2, 0.0
    while True:
        few = exam.first(count)
        begin = time.perf_counter()
        few.score(network)
        took = time.perf_counter() - begin
        spent += took
        if len(few) < count or 4 * count > _TIMED or spent + 4 * took > seconds:
            return len(networks(training)) * took / len(few)
        count *= 4


def evidence_time(data: ImageDataset) -> float:
    """Seconds of the statistics of `ImageScoring.evidence`."""
    few = data.train.images[:_TIMED_STATISTICS]
    begin = time.perf_counter()
    pixel_features(few, np.arange(len(few)))
    labeled, unlabeled = (min(MOST_FOR_EVIDENCE, len(rows)) for rows in (data.labeled_rows, data.unlabeled_rows))
    return (unlabeled + 2 * labeled) * (time.perf_counter() - begin) / len(few)
