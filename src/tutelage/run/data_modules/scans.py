"""Scans, or slices with masks, to be segmented."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from tutelage.config import AUTO, RunConfig, base_preset, preset_names
from tutelage.config.intensity import StrongIntensityConfig
from tutelage.config.network_name import NETWORK_NAMES, NetworkName
from tutelage.config.segmentation import SegmentationConfig
from tutelage.core.distributed import from_main, rank, world_size
from tutelage.core.errors import ConfigError
from tutelage.core.names import shown
from tutelage.data.check import check_for_training
from tutelage.data.images.sample import ImageSample
from tutelage.data.kinds import SCANS
from tutelage.data.scans.check import ScanCheckReport, check_scans
from tutelage.data.scans.dataset import ScanDataset, load_scans
from tutelage.data.scans.inventory import list_scan_parts
from tutelage.data.scans.mask_folder import MaskFolder
from tutelage.data.scans.parts import ScanInventory
from tutelage.methods import METHODS
from tutelage.methods.base import Problem
from tutelage.networks.base import Network
from tutelage.networks.build import is_dense
from tutelage.networks.dense import DenseNetwork
from tutelage.networks.vnet import VNet
from tutelage.run.batches import fit_batches
from tutelage.run.budget import TooShort
from tutelage.run.build import assemble, build_predictor
from tutelage.run.data_modules.base import DataModule
from tutelage.run.data_modules.scan_checks import check_scan_runs
from tutelage.run.data_modules.scan_costs import ScoringTimes, patch_voxels, scoring_times
from tutelage.run.data_modules.scan_forecast import check_forecast
from tutelage.run.data_modules.scan_resolution import choose_resolution, with_resolution
from tutelage.run.data_modules.scan_scores import SHARE, fit_scores
from tutelage.run.data_modules.scan_streams import scan_loader
from tutelage.run.data_modules.scan_views import save_scan_views
from tutelage.run.method_by_name import learns_from_labels, method_class, resolved
from tutelage.run.recommend import recommend_for_scans, recommended
from tutelage.run.resolve import absolute
from tutelage.run.warm_start import warm_start
from tutelage.tasks.own_metrics import own_metrics
from tutelage.tasks.segmentation import Segmentation
from tutelage.training.scan_exam import KeptMasks, ScanExam
from tutelage.training.scoring import Exam
from tutelage.training.state import Training

MASKS = "masks"  # in the run
_DENSE = ", ".join(name for name in NETWORK_NAMES if NetworkName.parse(name).dense)


class ScanModule(DataModule):
    """See `DataModule`."""

    kind, item, smaller = SCANS, "patches", "scan.patch_size"
    quicker = "make predictions cheaper with a smaller segmentation.overlap or coarser voxels (scan.spacing)"
    foreign = (
        "augment",
        "data.image_size",
        "data.resize",
        "data.crop_share",
        "data.interpolation",
        "data.intensity_range",
        "data.label_balance",
        "data.labeled_sampling",
        "data.memory_limit_mb",
    )
    these, others = "scans to segment", "images with one class each"
    data: ScanDataset
    task: Segmentation
    _inventory: ScanInventory | None = None
    _timed: tuple[Network, ScoringTimes | None] | None = None

    @staticmethod
    def refuse(cfg: RunConfig) -> None:
        """Refuse methods and settings of images."""
        able = [method.name for method in METHODS if "segmentation" in method.tasks]
        if not learns_from_labels(cfg.method):
            raise ConfigError(f"{cfg.method} pretrains on images; scans are segmented: choose {', '.join(able)}")
        if cfg.method != AUTO and "segmentation" not in method_class(cfg.method).tasks:
            raise ConfigError(f"{cfg.method} predicts one class per image; for scans, choose {', '.join(able)}")
        ScanModule.refuse_foreign(cfg)
        if not is_dense(cfg.network):
            raise ConfigError(
                f"network.name '{cfg.network.name}' makes one prediction per image; for scans, choose {_DENSE}"
            )

    @staticmethod
    def check(cfg: RunConfig, *, workers: int) -> ScanCheckReport:
        """See `DataModule`."""
        return check_scans(cfg.data, cfg.scan, workers=workers)

    @staticmethod
    def check_runs(configs: Mapping[str, RunConfig], console: Console) -> None:
        """See `DataModule`."""
        check_scan_runs(configs, console)

    def preview(self, cfg: RunConfig, count: int) -> tuple[RunConfig, ImageSample]:
        """See `DataModule`."""
        raise ConfigError(
            f"{shown(cfg.data.path)} holds scans, and show draws images; views.png in a run shows its patches"
        )

    def settle(self, cfg: RunConfig, run: Path) -> RunConfig:
        """The settings, with the recommended method if it is `auto`, and a spacing that the machine has time for."""
        parts = list_scan_parts(cfg.data)
        cases = [case for role in ("train", "unlabeled") if role in parts for case in parts[role].cases]
        labels = sum(case.label is not None for case in cases)
        if cfg.method == AUTO and labels:  # without any, the check says why, and nothing can be recommended
            used = labels if cfg.data.label_count is None else min(labels, cfg.data.label_count)
            choice = recommend_for_scans(labeled=used, unlabeled=len(cases) - used)
            choice.print(self.console)
            cfg = resolved(absolute(recommended(cfg, choice)))
        elif cfg.method != AUTO and cfg.given and cfg.preset is None:
            own = base_preset(cfg.method)
            start = own if own in preset_names() else base_preset("supervised")
            self.console.print(f"- settings that are not given come from the preset {start}")
        if (resolution := choose_resolution(cfg, parts, self.device)) is not None:
            self.console.print(f"- {resolution.said()}")
            cfg = with_resolution(cfg, resolution)
        if cfg.train.budget is not None:
            try:
                check_forecast(cfg, parts, self.device)
            except TooShort as fault:
                raise self.too_short(cfg.train.budget, fault, baseline=cfg.train.baseline) from None
        if rank() == 0:
            report = check_scans(cfg.data, cfg.scan, workers=cfg.train.workers, cache_dir=_cache(cfg, run))
            check_for_training(report, self.console)
            self._inventory = report.inventory
        return cfg

    def load(self, cfg: RunConfig, run: Path) -> None:
        """Load what the check has prepared."""
        self.data = load_scans(
            cfg.data,
            cfg.scan,
            seed=cfg.train.seed,
            workers=cfg.train.workers,
            cache_dir=_cache(cfg, run),
            inventory=self._inventory,
            patch_voxels=patch_voxels(cfg.train, self.device),
        )
        extra = own_metrics(cfg.train.metrics)
        self.task = Segmentation(
            self.data.classes, patch_size=self.data.patch_size, cfg=cfg.segmentation, own_metrics=extra
        )

    def decide(self, cfg: RunConfig) -> RunConfig:
        """Take over what the source declares about its files."""
        cfg = fit_batches(cfg, self.data.unlabeled_rows, SCANS.name, tell=self.console.print)
        return dataclasses.replace(cfg, scan=self.data.scan)

    def resume(self, cfg: RunConfig, recorded: Mapping[str, Any], run: Path) -> None:
        """Nothing is restored: everything is determined by the data and the settings."""

    def facts(self) -> dict[str, Any]:
        """Patch size and label values."""
        return {"patch_size": list(self.data.patch_size), "label_values": list(self.data.values)}

    def draw_views(self, cfg: RunConfig, out: Path) -> None:
        """Slices of some patches."""
        save_scan_views(cfg, self.data, out)

    def network(self, cfg: RunConfig, *, published: bool) -> Network:
        """See `DataModule`; there are no published weights."""
        data = self.data
        return build_predictor(
            cfg, num_classes=len(data.classes), channels=data.channels, image_size=data.patch_size, published=published
        )

    def start(self, network: Network, origin: Path | None) -> None:  # type: ignore[override]
        """Take the weights of another run, if any."""
        if origin is not None:
            warm_start(network, origin, self.data.classes, self.console)

    def training(self, cfg: RunConfig, network: DenseNetwork, *, steps: int) -> Training:  # type: ignore[override]
        """See `DataModule`."""
        train, data = cfg.train, self.data
        _check_coarsest(cfg, network, data.patch_size)
        counts = [data.train.looks[row].label_counts for row in data.labeled_rows]
        problem = Problem(
            num_classes=len(data.classes),
            train_rows=len(data.train),
            labeled_rows=len(data.labeled_rows),
            unlabeled_rows=len(data.unlabeled_rows),
            labeled_batch=train.batch_size,
            unlabeled_batch=train.unlabeled_batch,
            labeled_counts=tuple(sum(value in counted for counted in counts) for value in data.values),
        )
        return assemble(
            cfg,
            network,
            self.device,
            task=self.task,
            problem=problem,
            loader=lambda method, channels_last: scan_loader(
                cfg, data, method, self.device, channels_last=channels_last, workers=train.workers
            ),
            steps=steps,
            axes=data.axes,
        )

    def names_at(self, training: Training, step: int) -> Iterator[tuple[str, list[str]]]:
        """See `DataModule`."""
        for stream, rows in training.loader.rows_at(step).items():
            yield stream, [self.data.train.cases[row].name for row in rows]

    def fit_scores(self, cfg: RunConfig, training: Training, seconds: float) -> RunConfig:
        """See `DataModule`; windows that overlap less, or fewer cases."""
        assert self.deadline is not None
        times = self._scoring_times(training, seconds)
        if times is None:
            return cfg
        limit = SHARE * self.deadline.seconds / (2 if cfg.train.baseline else 1)
        segmentation, said = from_main(fit_scores(cfg.segmentation, times, limit))
        if said is not None:
            self.console.print(f"- {said}")
        self.task = self._task(segmentation)
        return dataclasses.replace(cfg, segmentation=segmentation)

    def costs(self, training: Training, seconds: float) -> tuple[float, float]:
        """Computed from the time per window, the number of windows, and the time to score a case."""
        times = self._scoring_times(training, seconds)
        return (0.0, 0.0) if times is None else (times.evaluation(self.task.cfg), times.closing(self.task.cfg))

    def _scoring_times(self, training: Training, seconds: float) -> ScoringTimes | None:
        """Measured once, for one network."""
        network = training.method.student
        if self._timed is None or self._timed[0] is not network:
            self._timed = network, scoring_times(self.data, self.task, training, seconds)
        return self._timed[1]

    def _task(self, cfg: SegmentationConfig) -> Segmentation:
        task = self.task
        return Segmentation(task.classes, patch_size=task.patch_size, cfg=cfg, own_metrics=task.own_metrics)

    def validation(self) -> Exam | None:
        """Validation cases on the prepared grid, with few windows."""
        val, cfg = self.data.val, self.task.cfg
        return (
            None
            if val is None
            else ScanExam(self._task(cfg.while_training()), val.spread(cfg.scored_cases), on_files=False)
        )

    def final_exams(self, training: Training, run: Path) -> dict[str, Callable[[], Exam]]:
        """On the grid of the files. The masks of the test cases, or else of the validation cases, are kept."""
        exams: dict[str, Callable[[], Exam]] = {}
        most = self.task.cfg.scored_cases

        def keep() -> KeptMasks:
            folder = MaskFolder(run / MASKS, self.data.classes, self.data.values)
            return KeptMasks(training.method.predictor, folder)

        if self.data.val is not None:
            kept, val = not self.data.has_test, self.data.val.spread(most)
            exams["validation"] = lambda: ScanExam(self.task, val, on_files=True, kept=keep() if kept else None)
        if self.data.has_test:
            test = self.data.load_test
            exams["test"] = lambda: ScanExam(self.task, test().spread(most), on_files=True, kept=keep())
        return exams

    def evidence(self, training: Training) -> dict[str, Any]:
        """Empty: the tests of a diagnosis are for images with one class each."""
        return {}

    def view_settings(self, cfg: RunConfig) -> Iterator[tuple[str, list[str]]]:
        """See `DataModule`."""
        given, default = dataclasses.asdict(cfg.scan.strong), dataclasses.asdict(StrongIntensityConfig())
        yield "strong", [f"scan.strong.{name}" for name, value in given.items() if value != default[name]]


def _check_coarsest(cfg: RunConfig, network: DenseNetwork, patch: tuple[int, ...]) -> None:
    """Refuse patches that a network reduces to one voxel, where its normalization would see a single value.

    Batch norm of V-Net also normalizes over the rows of a batch; the smallest batch is the one that a teacher sees.
    """
    coarsest = math.prod(side // divisor for side, divisor in zip(patch, network.divisor, strict=True))
    fewest = cfg.train.unlabeled_batch if method_class(cfg.method).unlabeled_views else cfg.train.batch_size
    rows = fewest // world_size() if isinstance(network, VNet) else 1
    if coarsest * rows == 1:
        raise ConfigError(
            f"scan.patch_size {' x '.join(map(str, patch))} leaves one voxel at the coarsest level of "
            f"'{cfg.network.name}', too few for normalization: use larger patches or batches"
        )


def _cache(cfg: RunConfig, run: Path) -> Path:
    return run / "cache" if cfg.scan.cache is None else Path(cfg.scan.cache)
