"""A trained network that segments scans, with everything it needs to predict."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tutelage.config.scan import ScanConfig
from tutelage.core.console import warn
from tutelage.core.errors import DataError, is_out_of_memory
from tutelage.core.names import shown
from tutelage.core.precision import float32_by_default
from tutelage.core.third_party import TOO_LARGE
from tutelage.data.kinds import SCANS
from tutelage.data.scans.decide import decide_slabs
from tutelage.data.scans.given import Given, Scans, Spacing, list_given
from tutelage.data.scans.prepare import Placement, place, prepare
from tutelage.data.scans.reading import RawCase
from tutelage.inference.model import Tell, TrainedModel
from tutelage.inference.scans.predict import WrittenMasks, refuse_folder, write_masks
from tutelage.inference.scans.prediction import ScanPrediction, Segmentations, keep_masks
from tutelage.inference.scans.scores import ScanScores, score_scans
from tutelage.run.run_record import RunRecord
from tutelage.run.weights import load_network
from tutelage.tasks.own_metrics import own_metrics
from tutelage.tasks.segmentation import Segmentation


def learned_scans(run: Path) -> frozenset[str]:
    """Hashes of the scans whose labels a run learned from; none of a run that does not say so."""
    record = RunRecord(run).best
    known = (record.path / "split.json").exists()  # not of imported weights
    return frozenset(record.split.get("labeled_contents", ()) if known else ())


@dataclass(frozen=True, repr=False)
class ScanModel(TrainedModel):
    """A trained network, its classes, and the preparation of scans it was trained with.

    Attributes:
        values: label value of each class in mask files.
        learned: hashes of the scans whose labels it learned from, where the run recorded them.
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
    learned: frozenset[str] = frozenset()

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
            learned=learned_scans(Path(run)),
        )

    @float32_by_default()
    def segment(self, raw: RawCase) -> NDArray[np.float32]:
        """(K, *S) float32: class probabilities of a scan, on the grid of its file.

        Raises:
            DataError: the scan has other channels or axes than the training scans, or cannot be prepared.
        """
        placement, image = self._prepared(raw)
        probs = self.task.predict(self.network, image)[0]
        return placement.restore_probabilities(probs.float().cpu().numpy())

    def decide(self, probs: NDArray[np.float32]) -> NDArray[np.uint8]:
        """(*S) class indices from the probabilities (K, *S) of a scan."""
        return self.task.decide(torch.from_numpy(probs)[None])[0].to(torch.uint8).numpy()

    def _prepared(self, raw: RawCase, *, overwrite: bool = False) -> tuple[Placement, Tensor]:
        """Where a scan lies, and its prepared volume (1, C, *S).

        Raises:
            DataError: see `segment`.
        """
        axes = len(self.task.patch_size)
        if (len(raw.image), raw.geometry.axes) != (self.channels, axes):
            raise DataError(
                f"has {len(raw.image)} channels and {raw.geometry.axes} axes; the model expects {self.channels} "
                f"and {axes}"
            )
        placement = place(raw, self.scan)
        return placement, torch.from_numpy(prepare(raw, placement, self.scan, overwrite=overwrite)[0])[None]

    def prepared(self, one: Given) -> NDArray[np.float32]:
        """(C, *S) float32: a scan as the network sees it, turned, resampled and standardized.

        Raises:
            DataError: it cannot be read, or prepared.
        """
        return self._prepared(one.read(self.scan))[1][0].numpy()

    @float32_by_default()
    def _predicted(self, one: Given, probabilities: bool) -> ScanPrediction:
        raw = one.read(self.scan)
        geometry, warnings = raw.geometry, tuple(raw.warnings)
        if probabilities or self.task.cfg.flips:  # mirrored windows begin at the other end
            probs = self.segment(raw)
            return ScanPrediction(
                one.case, geometry, probs if probabilities else None, self.decide(probs), "", warnings
            )
        placement, image = self._prepared(raw, overwrite=True)
        del raw  # a large scan is in memory once
        axis = int(np.argmin(np.divide(self.task.patch_size, placement.shape)))  # in which slabs are thinnest
        slabs = ((start, probs[0]) for start, probs in self.task.predict_slabs(self.network, image, axis))
        classes = self.task.tidied(decide_slabs(placement, slabs, axis))
        return ScanPrediction(one.case, geometry, None, classes, "", warnings)

    def predictions(self, scans: Sequence[Given], *, probabilities: bool = False) -> Iterator[ScanPrediction]:
        """One prediction per scan, in order; only one is in memory at a time, without probabilities in slabs."""
        for one in scans:
            try:
                made = self._predicted(one, probabilities)
            except DataError as error:
                made = ScanPrediction(one.case, error="; ".join(error.faults))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                made = ScanPrediction(one.case, error=f"{shown(one.case.place)} {TOO_LARGE}, once it is segmented")
            yield made

    def predict(
        self,
        scans: Scans,
        *,
        out: str | Path | None = None,
        spacing: Spacing | None = None,
        affine: Any = None,
        probabilities: bool = False,
        overwrite: bool = False,
    ) -> Segmentations:
        """The mask of each scan, on the grid of the scan.

        Scans are prepared as in training and on the command line: turned, resampled, standardized. A file, its image in
        nibabel, and its array with its affine have the same mask.

        Args:
            scans: one of these, or a list of them.

                - A path: of a scan, or of a folder or any other source of scans that training accepts.
                - An image of nibabel; a last axis beyond the third holds channels.
                - A NumPy array or torch tensor of numbers, (X, Y, Z) of a model with one channel, (C, X, Y, Z), or
                  several (N, C, X, Y, Z), with the axes in the order of nibabel; 2-D without Z.
            out: folder to write the masks and their table into; they are then not kept in memory.
            spacing: of arrays, in mm, one number or one for each axis; their axes point to right, anterior, superior.
            affine: of arrays, (4, 4) from voxel indices to RAS+ coordinates in mm, in place of `spacing`.
            probabilities: also keep, or write, the class probabilities.
            overwrite: allow writing into a folder that is not empty.

        Raises:
            DataError: a source does not exist or has no scans; an array has another shape or type, or no spacing. A
                scan that cannot be read is no error: it has the reason in `errors`.
            RunError: `out` cannot be written, or is not empty.
        """
        given = self._given(scans, spacing, affine)
        if out is None:
            return keep_masks(self, given, probabilities=probabilities)
        self._refuse(Path(out), scans, given, overwrite=overwrite)
        written = write_masks(self, given, Path(out), probabilities=probabilities)
        names = [one.case.name for one in given]
        return Segmentations(names, self.classes, self.values, [], [], written.folder.rows)

    def predict_into(
        self,
        data: Scans,
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
        given = self._given(data, tell=tell or warn)
        self._refuse(out, data, given, overwrite=overwrite)
        return write_masks(self, given, out, tell=tell, **options)

    def _refuse(self, out: Path, scans: Scans, given: Sequence[Given], *, overwrite: bool) -> None:
        files = [file for one in given for file in one.case.images]
        refuse_folder(out, overwrite=overwrite, reads=(scans, files, self.scan.crop_masks))

    def _given(
        self, scans: Scans, spacing: Spacing | None = None, affine: Any = None, tell: Tell = warn
    ) -> list[Given]:
        axes = len(self.task.patch_size)
        return list_given(scans, channels=self.channels, axes=axes, spacing=spacing, affine=affine, tell=tell)

    @float32_by_default()
    def score(self, data: str, *, labels: str | None = None, workers: int = 2, tell: Tell | None = None) -> ScanScores:
        """See `TrainedModel.score`."""
        task = self.task.also_scored_by(own_metrics(self.own_metrics))
        return score_scans(dataclasses.replace(self, task=task), data, labels=labels, workers=workers, tell=tell)

    def __repr__(self) -> str:
        classes, size = ", ".join(map(shown, self.classes)), " x ".join(map(str, self.task.patch_size))
        return f"<tutelage.ScanModel: classes {classes}; patches of {size}; step {self.step:,}; {self.device}>"
