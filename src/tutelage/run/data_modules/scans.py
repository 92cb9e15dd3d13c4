"""Scans, or slices with masks, to be segmented."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from tutelage.config import AUTO, RunConfig, base_preset, preset_names
from tutelage.config.intensity import StrongIntensityConfig
from tutelage.config.network_name import NETWORK_NAMES, NetworkName
from tutelage.core.distributed import rank, world_size
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
from tutelage.run.build import assemble, build_predictor
from tutelage.run.data_modules.base import DataModule
from tutelage.run.data_modules.scan_checks import check_scan_runs
from tutelage.run.data_modules.scan_streams import scan_loader
from tutelage.run.data_modules.scan_views import save_scan_views
from tutelage.run.method_by_name import learns_from_labels, method_class, resolved
from tutelage.run.recommend import recommend_for_scans, recommended
from tutelage.run.recorder import networks
from tutelage.run.resolve import absolute
from tutelage.run.warm_start import warm_start
from tutelage.tasks.own_metrics import own_metrics
from tutelage.tasks.segmentation import Segmentation
from tutelage.tasks.sliding_window import count_windows
from tutelage.training.scan_exam import KeptMasks, ScanExam
from tutelage.training.scoring import Exam
from tutelage.training.state import Training

MASKS = "masks"  # in the run
_DENSE = ", ".join(name for name in NETWORK_NAMES if NetworkName.parse(name).dense)
_TIMED = 2  # batches of windows


class ScanModule(DataModule):
    """See `DataModule`."""

    kind, item, smaller = SCANS, "patches", "scan.patch_size"
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
        """The settings, with the recommended method if it is `auto`, which depends on the listing only."""
        parts = list_scan_parts(cfg.data) if cfg.method == AUTO else {}
        cases = [case for role in ("train", "unlabeled") if role in parts for case in parts[role].cases]
        labels = sum(case.label is not None for case in cases)
        if labels:  # without any, the check says why, and nothing can be recommended
            used = labels if cfg.data.label_count is None else min(labels, cfg.data.label_count)
            choice = recommend_for_scans(labeled=used, unlabeled=len(cases) - used)
            choice.print(self.console)
            cfg = resolved(absolute(recommended(cfg, choice)))
        elif cfg.method != AUTO and cfg.given and cfg.preset is None:
            own = base_preset(cfg.method)
            start = own if own in preset_names() else base_preset("supervised")
            self.console.print(f"- settings that are not given come from the preset {start}")
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

    def costs(self, training: Training, seconds: float) -> tuple[float, float]:
        """Computed from the time per window, the number of windows, and the time to score a case."""
        val, test = self.data.val, self.data.test_shapes
        shapes = [] if val is None else [val.scans.placement(row).shape for row in val.rows.tolist()]
        if not shapes and not test:
            return 0.0, 0.0
        window, case = self._window_time(training, seconds), self._case_time()
        quick, turns = self._quick_task(), 2**self.data.axes if self.task.cfg.flips else 1
        each = len(networks(training))
        evaluation = each * window * sum(count_windows(s, quick.patch_size, quick.strides) for s in shapes)
        windows = turns * sum(count_windows(s, self.task.patch_size, self.task.strides) for s in (*shapes, *test))
        return evaluation, each * (window * windows + case * (len(shapes) + len(test)))

    def _window_time(self, training: Training, seconds: float) -> float:
        """Seconds for the prediction of one window: in full batches, unless these take longer than `seconds`."""
        patch = self.task.patch_size
        task = dataclasses.replace(self.task.cfg, strides=patch, overlap=0.5, flips=False)
        row = Segmentation(self.data.classes, patch_size=patch, cfg=task)

        def each(windows: int) -> float:
            volume = torch.zeros(1, self.data.channels, *patch[:-1], patch[-1] * windows)
            begin = time.perf_counter()
            row.predict(training.method.student, volume)
            return (time.perf_counter() - begin) / windows

        each(1)  # the first time, libraries are imported
        alone, batch = each(1), self.task.cfg.window_batch
        if alone * batch > seconds:
            return alone
        return statistics.fmean(each(batch) for _ in range(1 if 2 * alone * batch > seconds else _TIMED))

    def _case_time(self) -> float:
        """Seconds to score a predicted case on the grid of its file, and to write its mask."""
        row = int(self.data.labeled_rows[0])
        label, place = torch.from_numpy(self.data.train.label(row)).clamp(min=0), self.data.train.placement(row)
        probs = torch.nn.functional.one_hot(label.roll(1, 0), len(self.data.classes)).movedim(-1, 0).float()
        begin = time.perf_counter()
        restored = torch.from_numpy(place.restore_probabilities(probs.numpy()))[None]
        reference = torch.from_numpy(self.data.train.reference(row))[None]
        self.task.metrics().update(restored, reference, spacing=place.geometry.spacing)
        return time.perf_counter() - begin

    def _quick_task(self) -> Segmentation:
        cfg = self.task.cfg.while_training()
        own = self.task.own_metrics
        return Segmentation(self.task.classes, patch_size=self.task.patch_size, cfg=cfg, own_metrics=own)

    def validation(self) -> Exam | None:
        """Validation cases on the prepared grid, with few windows."""
        val = self.data.val
        return None if val is None else ScanExam(self._quick_task(), val, on_files=False)

    def final_exams(self, training: Training, run: Path) -> dict[str, Callable[[], Exam]]:
        """On the grid of the files. The masks of the test cases, or else of the validation cases, are kept."""
        exams: dict[str, Callable[[], Exam]] = {}

        def keep() -> KeptMasks:
            folder = MaskFolder(run / MASKS, self.data.classes, self.data.values)
            return KeptMasks(training.method.predictor, folder)

        if (val := self.data.val) is not None:
            kept = not self.data.has_test
            exams["validation"] = lambda: ScanExam(self.task, val, on_files=True, kept=keep() if kept else None)
        if self.data.has_test:
            exams["test"] = lambda: ScanExam(self.task, self.data.load_test(), on_files=True, kept=keep())
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
