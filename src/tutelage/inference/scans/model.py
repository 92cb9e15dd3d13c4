"""A trained network that segments scans, with everything it needs to predict."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tutelage.config.scan import ScanConfig
from tutelage.core.errors import DataError
from tutelage.core.precision import float32_by_default
from tutelage.data.kinds import SCANS
from tutelage.data.scans.items import Case
from tutelage.data.scans.prepare import place, prepare
from tutelage.data.scans.reading import RawCase, read_case
from tutelage.inference.model import Tell, TrainedModel
from tutelage.inference.scans.predict import WrittenMasks, refuse_folder, write_masks
from tutelage.inference.scans.prediction import ScanPrediction, list_to_predict
from tutelage.inference.scans.scores import ScanScores, score_scans
from tutelage.run.weights import load_network
from tutelage.tasks.own_metrics import own_metrics
from tutelage.tasks.segmentation import Segmentation

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ScanModel(TrainedModel):
    """A trained network, its classes, and the preparation of scans it was trained with.

    Attributes:
        values: label value of each class in mask files.
    """

    kind = SCANS.name
    load_options = ("flips", "largest_component")
    predict_options = ("probabilities", "flips", "largest_component")
    score_options = ("csv", "flips", "largest_component")

    network: nn.Module
    task: Segmentation
    scan: ScanConfig
    values: tuple[int, ...]
    channels: int
    step: int
    device: torch.device
    own_metrics: tuple[str, ...] = ()

    @staticmethod
    def load(
        run: str | Path,
        *,
        network: str = "auto",
        device: str = "auto",
        flips: bool | None = None,
        largest_component: bool | None = None,
    ) -> ScanModel:
        """The model of a run on scans, from its newest checkpoint.

        Args:
            network: "student", "teacher", or "auto" for the one that the method evaluates.
            flips, largest_component: override the settings `segmentation.*` of the run; None keeps them.

        Raises:
            RunError: `run` is not a run folder, or its checkpoints are damaged.
            ConfigError: the run is on images, the method has no such network, or the device is not available.
        """
        refusal = "was trained on images and cannot segment scans"
        loaded = load_network(run, kind=SCANS, refusal=refusal, network=network, device=device)
        cfg, facts = loaded.cfg, loaded.facts
        own = cfg.segmentation
        settings = dataclasses.replace(
            own,
            flips=own.flips if flips is None else flips,
            largest_component=own.largest_component if largest_component is None else largest_component,
        )
        return ScanModel(
            network=loaded.network,
            task=Segmentation(tuple(facts["classes"]), patch_size=tuple(facts["patch_size"]), cfg=settings),
            scan=cfg.scan,
            values=tuple(facts["label_values"]),
            channels=facts["channels"],
            step=loaded.step,
            device=loaded.device,
            own_metrics=cfg.train.metrics,
        )

    @float32_by_default()
    def segment(self, raw: RawCase) -> NDArray[np.float32]:
        """(K, *S) float32: class probabilities of a scan, on the grid of its file.

        Raises:
            DataError: the scan has other channels or axes than the training scans, or cannot be prepared.
        """
        axes = len(self.task.patch_size)
        if (len(raw.image), raw.geometry.axes) != (self.channels, axes):
            raise DataError(
                f"has {len(raw.image)} channels and {raw.geometry.axes} axes; the model expects {self.channels} "
                f"and {axes}"
            )
        placement = place(raw, self.scan)
        image, _ = prepare(raw, placement, self.scan)
        probs = self.task.predict(self.network, torch.from_numpy(image)[None])[0]
        return placement.restore_probabilities(probs.float().cpu().numpy())

    def decide(self, probs: NDArray[np.float32]) -> NDArray[np.int64]:
        """(*S) class indices from the probabilities (K, *S) of a scan."""
        return self.task.decide(torch.from_numpy(probs)[None])[0].numpy()

    def predictions(self, cases: Sequence[Case]) -> Iterator[ScanPrediction]:
        """One prediction per case, in order; only one is in memory at a time."""
        for case in cases:
            try:
                raw = read_case(case, self.scan, with_label=False)
                probs = self.segment(raw)
            except DataError as error:
                yield ScanPrediction(case, error="; ".join(error.faults))
                continue
            yield ScanPrediction(case, raw.geometry, probs, self.decide(probs))

    def predict(
        self, source: str | Path, *, out: str | Path, probabilities: bool = False, overwrite: bool = False
    ) -> pd.DataFrame:
        """Write one mask per scan into the folder `out`; returns its table, with one row per scan.

        Args:
            source: a scan, a folder of scans, or any source of scans that training accepts.
            probabilities: also write the class probabilities.
            overwrite: allow writing into a folder that is not empty.

        Raises:
            DataError: the source does not exist or has no scans.
            RunError: `out` cannot be written, or is not empty.
        """
        import pandas as pd

        written = self.predict_into(str(source), Path(out), probabilities=probabilities, overwrite=overwrite)
        return pd.DataFrame(written.folder.rows, columns=written.folder.columns)

    def predict_into(
        self,
        data: str,
        out: Path,
        *,
        workers: int = 2,
        overwrite: bool = False,
        keep: bool = False,
        tell: Tell | None = None,
        **options: Any,
    ) -> WrittenMasks:
        """Write one mask per scan into a folder; see `TrainedModel.predict_into`.

        Args:
            **options: `probabilities` also writes the class probabilities.
        """
        refuse_folder(out, overwrite=overwrite)
        return write_masks(self, list_to_predict(data), out, tell=tell, **options)

    @float32_by_default()
    def score(self, data: str, *, labels: str | None = None, workers: int = 2, tell: Tell | None = None) -> ScanScores:
        """See `TrainedModel.score`."""
        task = self.task.also_scored_by(own_metrics(self.own_metrics))
        return score_scans(dataclasses.replace(self, task=task), data, labels=labels, workers=workers, tell=tell)
