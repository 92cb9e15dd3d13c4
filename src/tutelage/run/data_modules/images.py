"""Images with one class each, or to learn an encoder from."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from rich.console import Console

from tutelage.config import AUTO, RunConfig
from tutelage.core.distributed import from_main, rank
from tutelage.core.errors import ConfigError
from tutelage.core.wording import named, option
from tutelage.data.check import check_for_training
from tutelage.data.images.check import ImageCheckReport, check_images
from tutelage.data.images.dataset import ImageDataset, load_images
from tutelage.data.images.inventory import read_image_headers
from tutelage.data.images.loader import Normalization
from tutelage.data.images.parts import ImageInventory
from tutelage.data.images.reader import ImageReader
from tutelage.data.images.sample import ImageSample, sample_images
from tutelage.data.kinds import IMAGES
from tutelage.networks.base import Network
from tutelage.networks.build import require_weights
from tutelage.run.batches import fit_batches
from tutelage.run.build import build_predictor, build_task
from tutelage.run.data_modules.base import DataModule
from tutelage.run.data_modules.feature_streams import build_feature_training, new_head
from tutelage.run.data_modules.image_checks import check_image_runs
from tutelage.run.data_modules.image_choice import ImageChoice
from tutelage.run.data_modules.image_framing import framing_by_default
from tutelage.run.data_modules.image_normalization import choose_normalization
from tutelage.run.data_modules.image_reading import image_reader, wanted_images
from tutelage.run.data_modules.image_scoring import ImageScoring
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.run.data_modules.image_views import changed_views, decide_domain, save_image_views
from tutelage.run.data_modules.pretrained_start import PretrainedStart
from tutelage.run.data_modules.trial import rows_to_hold
from tutelage.run.estimate import BY_HEAD, KEY, Estimate
from tutelage.run.frozen_networks import FrozenNetworks
from tutelage.run.method_by_name import learns_from_labels, method_class
from tutelage.run.run_record import RunRecord
from tutelage.run.warm_start import warm_start
from tutelage.tasks.classification import Classification
from tutelage.tasks.own_metrics import own_metrics
from tutelage.tasks.representation import Representation
from tutelage.training.scoring import Exam
from tutelage.training.state import Training

START_IMAGES = 64  # for a network that is initialized from data
LARGE_FOR_CPU = 96  # pixels; above it, a short pretraining on a CPU sees too few images


class ImageModule(DataModule):
    """See `DataModule`."""

    kind, item, smaller, foreign = IMAGES, "images", "data.image_size", ("scan", "segmentation")
    these, others = "images with one class each", "scans to segment"
    data: ImageDataset
    task: Classification | Representation
    normalization: Normalization
    decoding = 0.0  # seconds per image
    _inventory: ImageInventory | None = None
    _reader: ImageReader | None = None
    _by_default: Mapping[str, Any] = MappingProxyType({})  # settings of the framing

    def __init__(self, console: Console, device: torch.device) -> None:
        super().__init__(console, device)
        self.pretrained = PretrainedStart(console, device)

    @property
    def light(self) -> bool:
        """See `DataModule`."""
        return self.pretrained.features is not None

    @staticmethod
    def refuse(cfg: RunConfig) -> None:
        """Refuse methods and settings of scans."""
        if cfg.method != AUTO and method_class(cfg.method).tasks == ("segmentation",):
            raise ConfigError(f"{cfg.method} is for segmentation; these images have one class each")
        ImageModule.refuse_foreign(cfg)
        require_weights(cfg.network)

    @staticmethod
    def check(cfg: RunConfig, *, workers: int) -> ImageCheckReport:
        """See `DataModule`."""
        return check_images(cfg.data, reader=image_reader(cfg, workers=workers), similar=True)

    @staticmethod
    def check_runs(configs: Mapping[str, RunConfig], console: Console) -> None:
        """See `DataModule`."""
        check_image_runs(configs, console)

    def preview(self, cfg: RunConfig, count: int) -> tuple[RunConfig, ImageSample]:
        """See `DataModule`. Only headers are read of images that are not shown, and unreadable ones are no fault."""
        lenient = dataclasses.replace(cfg.data, skip_unreadable=True)
        reader = image_reader(cfg)
        found = read_image_headers(lenient, reader=reader, needs_labels=learns_from_labels(cfg.method))
        if found.faults and not (alone := read_image_headers(lenient, reader=reader, needs_labels=False)).faults:
            found = alone  # a pile of images, whose views can be seen all the same
        elif not found.faults:
            choice = ImageChoice.of(found, cfg, self.device.type)
            choice.print(self.console)
            cfg = choice.settings(cfg)
        sample = sample_images(cfg.data, found, count, reader=reader)
        return decide_domain(cfg, sample.flip_ok), sample

    def settle(self, cfg: RunConfig, run: Path) -> RunConfig:
        """The settings, with what is recommended for the data where it was not given; rank 0 looks and chooses."""
        self._reader = image_reader(cfg, self.console)
        if rank() == 0:
            report = check_images(
                cfg.data,
                reader=self._reader,
                needs_labels=learns_from_labels(cfg.method),
                decode=True,
                settled=lambda found: wanted_images(ImageChoice.of(found, cfg, self.device.type).settings(cfg)),
                seed=cfg.train.seed,
            )
            check_for_training(report, self.console)
            if (said := self._reader.said()) is not None:
                self.console.print(f"- {said}")
            self._inventory = report.inventory
        found = self._inventory
        choice = from_main(ImageChoice() if found is None else ImageChoice.of(found, cfg, self.device.type))
        choice.print(self.console)
        self.pretrained.heads = choice.heads(cfg)
        cfg = choice.settings(cfg)
        self._by_default = framing_by_default(cfg, choice.mode, choice.levels)
        return cfg

    def load(self, cfg: RunConfig, run: Path) -> None:
        """Decode training and validation images, unless `settle` has done so."""
        self.data = load_images(
            cfg.data,
            seed=cfg.train.seed,
            reader=self._reader or image_reader(cfg, self.console),
            inventory=self._inventory,
            needs_labels=learns_from_labels(cfg.method),
            uses_unlabeled=wanted_images(cfg).unlabeled,
        )
        self.decoding = self.data.seconds_per_image
        self.normalization = choose_normalization(cfg, self.data)
        extra = own_metrics(cfg.train.metrics)
        self.task = build_task(self.data.classes, cfg.method, extra)

    def decide(self, cfg: RunConfig) -> RunConfig:
        """Decide how to start from a pretrained network, and whether images may be mirrored."""
        unasked = cfg.data.image_size is None and isinstance(self.task, Representation)
        if unasked and self.data.image_size > LARGE_FOR_CPU and self.device.type == "cpu":
            self.console.print(
                f"- steps with images of {self.data.image_size} pixels are slow without a GPU: "
                f"{option('preset', 'moco-v2-cpu')} shrinks them, and so does {named('image_size')}"
            )
        cfg = self.pretrained.decide(cfg, self.data, deadline=self.deadline)
        self._take_normalization()
        if cfg.train.trial_share > 0.0:
            self._try_fine_tuning(cfg)
        cfg = fit_batches(cfg, self.data.unlabeled_rows, tell=self.console.print)
        if cfg.frozen or cfg.augment.domain != "auto":
            return cfg
        if not self.data.flip_ok:
            self.console.print("- images are not mirrored: that would change their class (augment.domain symbols)")
        return decide_domain(cfg, self.data.flip_ok)

    def trained_on(self) -> ImageModule:
        """A module with the same images, to train the whole network on after a head on its frozen features."""
        module = copy.copy(self)
        module.pretrained = PretrainedStart(self.console, self.device)
        return module

    def _try_fine_tuning(self, cfg: RunConfig) -> None:
        """See `PretrainedStart.try_fine_tuning`; none with too few labels."""
        assert cfg.train.init_from is not None
        if not len(rows_to_hold(self.data.train.labels[self.data.labeled_rows], seed=cfg.train.seed)):
            self.console.print("- no trial on held-out labels: there are too few labels to hold some out")
            if (head := RunRecord(cfg.train.init_from).estimate) is not None:
                self.pretrained.estimate = dataclasses.replace(head, by=BY_HEAD)
            return
        network = self.network(cfg, published=False)
        self.start(network, Path(cfg.train.init_from))
        self.pretrained.try_fine_tuning(cfg, self.data, network, self.normalization)

    def _take_normalization(self) -> None:
        """Normalize images as the frozen backbone needs, if there is one."""
        if self.pretrained.backbone is not None:
            self.normalization = self.pretrained.backbone.normalization

    def save(self, run: Path) -> None:
        """See `DataModule`."""
        self.pretrained.save(run)

    def finish(self, training: Training, run: Path) -> None:
        """See `DataModule`."""
        self.scoring.keep_features(run, training)

    def resume(self, cfg: RunConfig, recorded: Mapping[str, Any], run: Path) -> None:
        """Restore the frozen backbone, or the normalization if it came from another run, which may be gone."""
        if cfg.frozen:
            backbone = FrozenNetworks.of_run(run, cfg, recorded, self.device)
            self.pretrained.freeze(backbone, cfg, self.data, deadline=self.deadline)
            self._take_normalization()
        self.pretrained.estimate = Estimate.in_facts(recorded)
        if cfg.train.init_from is not None:
            self.normalization = Normalization.recorded(recorded)

    def facts(self) -> dict[str, Any]:
        """Size and normalization of the images, how they would be framed if nothing were said of it, and estimates."""
        facts: dict[str, Any] = {
            "image_size": self.data.image_size,
            "mean": list(self.normalization.mean),
            "std": list(self.normalization.std),
            "framing_by_default": dict(self._by_default),
        }
        if (estimate := self.pretrained.estimate) is not None:
            facts[KEY] = estimate.to_dict()
        if (trial := self.pretrained.trial) is not None:
            facts["trial"] = trial.said
        return facts

    def draw_views(self, cfg: RunConfig, out: Path) -> None:
        """A contact sheet; features are not augmented in a way that a picture could show."""
        if self.pretrained.backbone is not None:
            return
        save_image_views(cfg, self.data, out)

    def network(self, cfg: RunConfig, *, published: bool) -> Network:
        """See `DataModule`."""
        data = self.data
        if (features := self.pretrained.features) is not None:
            return new_head(cfg, data, features)
        return build_predictor(
            cfg,
            num_classes=len(data.classes),
            channels=data.channels,
            image_size=data.image_size,
            published=published,
        )

    def start(self, network: Network, origin: Path | None) -> None:  # type: ignore[override]
        """Take weights and normalization from another run, or initialize the network from some images."""
        if self.pretrained.backbone is not None:
            return
        if self.pretrained.weights:
            network.load_state_dict(self.pretrained.weights, strict=False)
            return
        if origin is not None:
            facts = warm_start(network, origin, self.data.classes, self.console)
            self.normalization = Normalization.recorded(facts)
            return
        train = self.data.train
        pixels = train.images[np.linspace(0, len(train) - 1, START_IMAGES).astype(np.int64)]
        network.start_from(self.normalization(torch.from_numpy(pixels)))

    def training(self, cfg: RunConfig, network: Network, *, steps: int) -> Training:  # type: ignore[override]
        """See `DataModule`."""
        if (features := self.pretrained.features) is not None:
            return build_feature_training(
                cfg, self.data, features, self.device, network, steps=steps, widths=self.pretrained.widths
            )
        return build_training(
            cfg, self.data, Inputs(self.data.train.images, self.normalization), self.device, network, steps=steps
        )

    def names_at(self, training: Training, step: int) -> Iterator[tuple[str, list[str]]]:
        """See `DataModule`."""
        for stream, rows in training.loader.rows_at(step).items():
            yield stream, [self.data.train.names[row] for row in rows]

    @property
    def scoring(self) -> ImageScoring:
        """What networks are scored on, as the module is now."""
        return ImageScoring(self.data, self.task, self.normalization, self.pretrained, self.device, self.console)

    def costs(self, training: Training, seconds: float) -> tuple[float, float]:
        """See `DataModule`."""
        return self.scoring.costs(training, seconds, decoding=self.decoding)

    def validation(self) -> Exam | None:
        """See `DataModule`."""
        return self.scoring.validation()

    def final_exams(self, training: Training, run: Path) -> dict[str, Callable[[], Exam]]:
        """See `DataModule`."""
        return self.scoring.final_exams()

    def evidence(self, training: Training) -> dict[str, Any]:
        """See `DataModule`."""
        return self.scoring.evidence(training)

    def view_settings(self, cfg: RunConfig) -> Iterator[tuple[str, list[str]]]:
        """See `DataModule`."""
        return changed_views(cfg)
