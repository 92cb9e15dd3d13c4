"""A trained network that segments scans, with all that it needs to predict."""

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
from tutelage.core.devices import choose_device
from tutelage.core.errors import ConfigError, DataError
from tutelage.core.names import shown
from tutelage.data.scans.geometry import Geometry
from tutelage.data.scans.items import Case
from tutelage.data.scans.prepare import place, prepare
from tutelage.data.scans.reading import RawCase, read_case
from tutelage.data.scans.source import list_cases
from tutelage.inference.image_model import NETWORKS, Model, load_predictor
from tutelage.run.build import build_predictor, evaluated_network
from tutelage.run.run_record import RunRecord
from tutelage.tasks.segmentation import Segmentation

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ScanPrediction:
    """What a model makes of a scan, or why it could not be read.

    Attributes:
        probs: (K, *S) float32 on the grid of the file, or None.
        predicted: (*S) int64 class indices there, or None.
    """

    case: Case
    geometry: Geometry | None = None
    probs: NDArray[np.float32] | None = None
    predicted: NDArray[np.int64] | None = None
    error: str = ""


@dataclass(frozen=True)
class ScanModel:
    """A trained network, its classes, and the preparation of scans that it was trained with.

    Attributes:
        values: label value of each class, in files.
    """

    network: nn.Module
    task: Segmentation
    scan: ScanConfig
    values: tuple[int, ...]
    channels: int
    step: int
    device: torch.device

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the probabilities; the first is the background."""
        return self.task.classes

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
            flips, largest_component: as the settings `segmentation.*`; None takes those of the run.

        Raises:
            RunError: `run` is no run folder, or its checkpoints are damaged.
            ConfigError: the run is on images, the method has no such network, or the device is not there.
        """
        record = RunRecord(run)
        if record.kind != "scans":
            raise ConfigError(f"{run} was trained on images, and segments no scans")
        cfg, facts = record.cfg, record.data
        place_of_it = choose_device(device)
        if network not in NETWORKS:
            raise ConfigError(f"--network must be one of {', '.join(NETWORKS)}, got {network!r}")
        patch = tuple(facts["patch_size"])
        made = build_predictor(
            cfg, num_classes=len(facts["classes"]), channels=facts["channels"], image_size=patch, published=False
        )
        step = load_predictor(made, record.path, evaluated_network(cfg.method) if network == "auto" else network)
        own = cfg.segmentation
        settings = dataclasses.replace(
            own,
            flips=own.flips if flips is None else flips,
            largest_component=own.largest_component if largest_component is None else largest_component,
        )
        return ScanModel(
            network=made.to(place_of_it).eval(),
            task=Segmentation(facts["classes"], patch_size=patch, cfg=settings),
            scan=cfg.scan,
            values=tuple(facts["label_values"]),
            channels=facts["channels"],
            step=step,
            device=place_of_it,
        )

    def segment(self, raw: RawCase) -> NDArray[np.float32]:
        """(K, *S) float32: class probabilities of a scan on the grid of its file.

        Raises:
            DataError: it has other channels or axes than the scans of training, or cannot be prepared.
        """
        axes = len(self.task.patch_size)
        if (len(raw.image), raw.geometry.axes) != (self.channels, axes):
            raise DataError(
                f"has {len(raw.image)} channels and {raw.geometry.axes} axes; the model takes {self.channels} "
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
        """A prediction for each case, in order; one is in memory at a time."""
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
        """Write a mask for each scan into the folder `out`; gives its table, one row a scan.

        Args:
            source: a scan, a folder of scans, or whatever is trained on.
            probabilities: write them too.
            overwrite: write into a folder that is not empty.

        Raises:
            DataError: there is no such source, or no scan in it.
            RunError: `out` cannot be written, or is not empty.
        """
        import pandas as pd

        from tutelage.commands.predict_scans import write_masks

        cases = list_to_predict(str(source))
        folder = write_masks(self, cases, Path(out), probabilities=probabilities, overwrite=overwrite)
        return pd.DataFrame(folder.rows, columns=folder.columns)

    def evaluate(self, source: str | Path, *, labels: str | Path | None = None, workers: int = 2) -> dict[str, Any]:
        """Scores on labeled scans, on the grid of their files; see `SegmentationMetrics.compute`.

        Raises:
            DataError: there is no such source, a scan cannot be read, or a label value is no class of the model.
        """
        from tutelage.commands.evaluate_scans import score_scans

        return score_scans(self, str(source), labels=None if labels is None else str(labels), workers=workers)


def load_model(run: str | Path, *, network: str = "auto", device: str = "auto") -> Model | ScanModel:
    """The trained model of a run, for images or scans; see `Model.load` and `ScanModel.load`."""
    kind = ScanModel if RunRecord(run).scans else Model
    return kind.load(run, network=network, device=device)


def list_to_predict(source: str) -> list[Case]:
    """The scans of a source to predict.

    Raises:
        DataError: there is no such source, no scan in it, or it cannot be read as what it is.
    """
    listing = list_cases(source, role="predict")
    if not listing.cases and not listing.faults:
        listing.faults.append(f"{shown(source)} holds no scans")
    if listing.faults:
        raise DataError(listing.faults)
    return listing.cases
