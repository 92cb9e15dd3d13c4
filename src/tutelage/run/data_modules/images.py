"""Images with one class each, or to learn an encoder from."""

from __future__ import annotations

import copy
import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from tutelage.config import AUTO, RunConfig
from tutelage.config.augment import AugmentConfig
from tutelage.config.settings import BASELINE_SHARE, seconds
from tutelage.core.distributed import barrier, from_main, rank
from tutelage.core.errors import ConfigError, NotBetter
from tutelage.core.wording import named, option
from tutelage.data.check import check_for_training
from tutelage.data.images.check import ImageCheckReport, check_images
from tutelage.data.images.dataset import ImageDataset, load_images
from tutelage.data.images.evidence import MOST as MOST_FOR_EVIDENCE
from tutelage.data.images.evidence import measure_gap, measure_label_fit, pixel_features
from tutelage.data.images.framing import Mode
from tutelage.data.images.image_set import ImageSubset, PixelCache
from tutelage.data.images.inventory import read_image_headers
from tutelage.data.images.loader import Normalization, pixel_statistics, unchanged
from tutelage.data.images.parts import ImageInventory
from tutelage.data.images.sample import ImageSample, sample_images
from tutelage.data.kinds import IMAGES
from tutelage.networks.base import Network
from tutelage.networks.build import require_weights, timm_name
from tutelage.networks.timm_network import preparation
from tutelage.run.budget import timing_limit
from tutelage.run.build import build_predictor, build_task, check_streams, learns_from_labels, method_class, resolved
from tutelage.run.data_modules.base import DataModule
from tutelage.run.data_modules.feature_streams import build_feature_training, new_head, start_of_network
from tutelage.run.data_modules.head_choice import choose_head
from tutelage.run.data_modules.image_checks import check_image_runs
from tutelage.run.data_modules.image_framing import framing_by_default, mode_of, settle_framing
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.run.data_modules.image_views import decide_domain, save_image_views
from tutelage.run.data_modules.trial import Trial, rows_to_hold, try_fine_tuning
from tutelage.run.estimate import KEY, Estimate
from tutelage.run.frozen import FrozenBackbone
from tutelage.run.recommend import Recommendation, recommend, recommend_named, recommended, situation
from tutelage.run.recorder import networks
from tutelage.run.resolve import absolute
from tutelage.run.run_record import RunRecord
from tutelage.run.warm_start import warm_start
from tutelage.tasks.classification import Classification
from tutelage.tasks.own_metrics import own_metrics
from tutelage.tasks.representation import FOLDS, Representation
from tutelage.training.monitor import NeighborExam
from tutelage.training.scoring import Exam, ImageExam
from tutelage.training.state import Training

START_IMAGES = 64  # for a network that is initialized from data
_TIMED = 512  # images
_TIMED_STATISTICS = 16  # images
LARGE_FOR_CPU = 96  # pixels; above it, a short pretraining on a CPU sees too few images


class ImageModule(DataModule):
    """See `DataModule`."""

    kind, item, smaller = IMAGES, "images", "data.image_size"
    foreign = ("scan", "segmentation")
    these, others = "images with one class each", "scans to segment"
    data: ImageDataset
    task: Classification | Representation
    normalization: Normalization
    decoding = 0.0  # seconds per image
    frozen: FrozenBackbone | None = None
    _features: NDArray[np.float32] | None = None  # of the training images, if the backbone is frozen
    trial: Trial | None = None  # of fine-tuning against the head that it starts from
    _inventory: ImageInventory | None = None
    _by_default: Mapping[str, Any] = MappingProxyType({})  # settings of the framing
    _start: Mapping[str, Tensor] = MappingProxyType({})  # of the network, if it starts at a head on its features
    _estimate: Estimate | None = None  # of the head, on the labels
    _heads: Mapping[str, RunConfig] = MappingProxyType({})  # the settings of those that can be chosen among

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
        return check_images(cfg.data, workers=workers)

    @staticmethod
    def check_runs(configs: Mapping[str, RunConfig], console: Console) -> None:
        """See `DataModule`."""
        check_image_runs(configs, console)

    def preview(self, cfg: RunConfig, count: int) -> tuple[RunConfig, ImageSample]:
        """See `DataModule`. Only headers are read of images that are not shown, and unreadable ones are no fault."""
        lenient = dataclasses.replace(cfg.data, skip_unreadable=True)
        found = read_image_headers(lenient, workers=cfg.train.workers, needs_labels=learns_from_labels(cfg.method))
        if not found.faults:
            choice = self._choice(cfg, found)
            if choice is not None:
                choice.print(self.console)
            cfg = self._settled(cfg, choice, mode_of(found))
        sample = sample_images(cfg.data, found, count, workers=cfg.train.workers)
        return decide_domain(cfg, sample.flip_ok), sample

    def settle(self, cfg: RunConfig, run: Path) -> RunConfig:
        """The settings, with what is recommended for the data where it was not given; rank 0 looks and chooses."""
        if rank() == 0:
            report = check_images(
                cfg.data,
                workers=cfg.train.workers,
                needs_labels=learns_from_labels(cfg.method),
                cache=PixelCache(run / "cache", cfg.data.memory_limit_mb * 2**20),
                settled=lambda found: self._settled(cfg, self._choice(cfg, found), mode_of(found)).data,
            )
            check_for_training(report, self.console)
            self._inventory = report.inventory
        found = self._inventory
        chosen: tuple[Recommendation | None, Mode] = (None, "crop")
        choice, mode = from_main(chosen if found is None else (self._choice(cfg, found), mode_of(found)))
        if choice is not None:
            choice.print(self.console)
            self._heads = {
                head: self._settled(cfg, dataclasses.replace(choice, preset=f"{head}-features"), mode)
                for head in choice.heads
            }
        cfg = self._settled(cfg, choice, mode)
        self._by_default = framing_by_default(cfg, mode)
        return cfg

    def _choice(self, cfg: RunConfig, found: ImageInventory) -> Recommendation | None:
        """What is recommended for the data; None if the settings are complete."""
        named = cfg.method != AUTO
        if named and (cfg.preset is not None or not cfg.given or not learns_from_labels(cfg.method)):
            return None
        data = situation(found, cfg, self.device.type)
        return recommend_named(cfg, data) if named else recommend(data)

    @staticmethod
    def _settled(cfg: RunConfig, choice: Recommendation | None, mode: Mode) -> RunConfig:
        """The recommended settings, if there are any, with the framing decided."""
        return settle_framing(cfg if choice is None else resolved(absolute(recommended(cfg, choice))), mode)

    def load(self, cfg: RunConfig, run: Path) -> None:
        """Decode training and validation images, unless `settle` has done so."""
        self.data = load_images(
            cfg.data,
            seed=cfg.train.seed,
            workers=cfg.train.workers,
            cache_dir=run / "cache",
            inventory=self._inventory,
            needs_labels=learns_from_labels(cfg.method),
        )
        self.decoding = self.data.seconds_per_image
        self.normalization = _normalization(cfg, self.data)
        extra = own_metrics(cfg.train.metrics)
        self.task = build_task(self.data.classes, cfg.method, extra)

    def decide(self, cfg: RunConfig) -> RunConfig:
        """Decide whether images may be mirrored."""
        self._estimate = None  # of an earlier run on this data
        unasked = cfg.data.image_size is None and isinstance(self.task, Representation)
        if unasked and self.data.image_size > LARGE_FOR_CPU and self.device.type == "cpu":
            self.console.print(
                f"- images of {self.data.image_size} pixels make slow steps without a GPU: "
                f"{option('preset', 'moco-v2-cpu')} shrinks them, and so does {named('image_size')}"
            )
        if cfg.frozen and self.frozen is None:
            self._freeze(FrozenBackbone.published(cfg, self.data.image_size, self.device), cfg)
        elif cfg.network.feature_dims is not None and cfg.train.init_from is None:
            cfg = self._fit_start(cfg)
        if len(self._heads) > 1 and self._features is not None:
            choice = choose_head(self._heads, self.data, self._features, device=self.device)
            choice = from_main(choice)
            choice.print(self.console)
            self._estimate = choice.estimate
            cfg, self._heads = self._without_own_baseline(self._heads[choice.name]), {}
        elif self._features is not None and self.data.val is None and not self.data.has_test:
            self._estimate = self._cross_validated(cfg, self._features)
        if cfg.train.trial_share > 0.0:
            self._try_fine_tuning(cfg)
        check_streams(cfg, self.data.unlabeled_rows)
        if cfg.frozen or cfg.augment.domain != "auto":
            return cfg
        if not self.data.flip_ok:
            self.console.print("- images are not mirrored: that would change their class (augment.domain symbols)")
        return decide_domain(cfg, self.data.flip_ok)

    def _cross_validated(self, cfg: RunConfig, features: NDArray[np.float32]) -> Estimate | None:
        """What cross-validation on the labels says of a head that nothing else will score."""
        begin = time.perf_counter()
        estimate = from_main(choose_head({cfg.method: cfg}, self.data, features, device=self.device)).estimate
        if estimate is not None:
            seconds = time.perf_counter() - begin
            self.console.print(f"- {cfg.method} was cross-validated on {estimate.labels} labels, in {seconds:.0f} s")
        return estimate

    def _without_own_baseline(self, cfg: RunConfig) -> RunConfig:
        """The settings without a baseline if the chosen head learns from labels alone, and so is its own baseline."""
        if not cfg.train.baseline or method_class(cfg.method).unlabeled_views:
            return cfg
        self.console.print(f"- no baseline is trained: {cfg.method} learns from the labels alone, as a baseline would")
        train = dataclasses.replace(cfg.train, baseline=False, baseline_share=BASELINE_SHARE, baseline_steps=None)
        return dataclasses.replace(cfg, train=train)

    def _freeze(self, backbone: FrozenBackbone, cfg: RunConfig) -> None:
        """Pass all training images through the frozen backbone; rank 0 first, which fills the cache for the others."""
        self.frozen, self.normalization, self.light = backbone, backbone.normalization, True
        for turn in (True, False):
            if (rank() == 0) == turn:
                raw = backbone.raw_features(self.data.train.images, self.console, deadline=self.deadline)
            barrier()
        if backbone.transform is None:
            self.console.print(f"- the network {cfg.network.name}: {backbone.loaded}; it stays as it is")
            backbone.fit_transform(raw, cfg.network.feature_dims)
        self._features = backbone.transformed(raw)

    def _fit_start(self, cfg: RunConfig) -> RunConfig:
        """Pass all training images once, to start the network at a head on its features; the settings with their D."""
        backbone = FrozenBackbone.published(cfg, self.data.image_size, self.device)
        raw = backbone.raw_features(self.data.train.images, self.console)
        self.console.print(f"- the network {cfg.network.name}: {backbone.loaded}")
        backbone.fit_transform(raw, cfg.network.feature_dims)
        self._start = start_of_network(cfg, self.data, backbone, backbone.transformed(raw))
        return dataclasses.replace(cfg, network=dataclasses.replace(cfg.network, feature_dims=backbone.dims))

    def trained_on(self) -> ImageModule:
        """A module with the same images, to train the whole network on after a head on its frozen features."""
        module = copy.copy(self)
        module.frozen, module._features, module.light, module._heads = None, None, False, {}
        module._estimate = None
        return module

    def _try_fine_tuning(self, cfg: RunConfig) -> None:
        """Fine-tune on a part of the labels; training then goes on from there.

        Raises:
            NotBetter: the head scored no worse on the other labels.
        """
        assert cfg.train.init_from is not None and cfg.train.budget is not None
        if not len(rows_to_hold(self.data.train.labels[self.data.labeled_rows], seed=cfg.train.seed)):
            self.console.print("- no trial on held-out labels: there are too few labels to hold some out")
            return
        origin = Path(cfg.train.init_from)
        network = self.network(cfg, published=False)
        self.start(network, origin)
        share = cfg.train.trial_share * seconds(cfg.train.budget)
        self.console.print(f"- a trial of fine-tuning on held-out labels, for about {share:.0f} s")
        found = try_fine_tuning(
            cfg,
            self.data,
            network,
            RunRecord(origin),
            self.normalization,
            self.device,
            seconds=share,
            timing=timing_limit(share),
        )
        self.trial, self._start = found
        if not self.trial.better:
            raise NotBetter(f"fine-tuning reached {self.trial.said}")
        self.console.print(f"- fine-tuning is kept: it reached {self.trial.said}; it goes on with all labels")

    def save(self, run: Path) -> None:
        """The frozen backbone, so that the run needs no other file."""
        if self.frozen is not None:
            self.frozen.save(run)

    def resume(self, cfg: RunConfig, recorded: Mapping[str, Any], run: Path) -> None:
        """Restore the frozen backbone, or the normalization if it came from another run, which may be gone."""
        if cfg.frozen:
            self._freeze(FrozenBackbone.of_run(run, cfg, recorded, self.device), cfg)
        self._estimate = Estimate.in_facts(recorded)
        if cfg.train.init_from is not None:
            self.normalization = Normalization(tuple(recorded["mean"]), tuple(recorded["std"]))

    def facts(self) -> dict[str, Any]:
        """Size and normalization of the images, how they would be framed if nothing were said of it, and estimates."""
        facts: dict[str, Any] = {
            "image_size": self.data.image_size,
            "mean": list(self.normalization.mean),
            "std": list(self.normalization.std),
            "framing_by_default": dict(self._by_default),
        }
        if self._estimate is not None:
            facts[KEY] = self._estimate.to_dict()
        if self.trial is not None:
            facts["trial"] = self.trial.said
        return facts

    def draw_views(self, cfg: RunConfig, out: Path) -> None:
        """A contact sheet; features are not augmented in a way that a picture could show."""
        if self.frozen is not None:
            return
        save_image_views(cfg, self.data, out)

    def network(self, cfg: RunConfig, *, published: bool) -> Network:
        """See `DataModule`."""
        data = self.data
        if self._features is not None:
            return new_head(cfg, data, self._features)
        return build_predictor(
            cfg,
            num_classes=len(data.classes),
            channels=data.channels,
            image_size=data.image_size,
            published=published,
        )

    def start(self, network: Network, origin: Path | None) -> None:  # type: ignore[override]
        """Take weights and normalization from another run, or initialize the network from some images."""
        if self.frozen is not None:
            return
        if self._start:
            network.load_state_dict(self._start, strict=False)
            return
        if origin is not None:
            facts = warm_start(network, origin, self.data.classes, self.console)
            self.normalization = Normalization(tuple(facts["mean"]), tuple(facts["std"]))
            return
        train = self.data.train
        pixels = train.images[np.linspace(0, len(train) - 1, START_IMAGES).astype(np.int64)]
        network.start_from(self.normalization(torch.from_numpy(pixels)))

    def training(self, cfg: RunConfig, network: Network, *, steps: int) -> Training:  # type: ignore[override]
        """See `DataModule`."""
        if self._features is not None:
            return build_feature_training(cfg, self.data, self._features, self.device, network, steps=steps)
        return build_training(
            cfg, self.data, Inputs(self.data.train.images, self.normalization), self.device, network, steps=steps
        )

    def names_at(self, training: Training, step: int) -> Iterator[tuple[str, list[str]]]:
        """See `DataModule`."""
        for stream, rows in training.loader.rows_at(step).items():
            yield stream, [self.data.train.names[row] for row in rows]

    def costs(self, training: Training, seconds: float) -> tuple[float, float]:
        """Measured by scoring some images."""
        exam, test = self.validation(), self.data.test_count
        validation, scored = 0 if exam is None else len(exam), test
        if isinstance(self.task, Representation) and test:
            scored += len(self.data.labeled_rows)  # the test images are compared with them
        each = self.scoring_time(training, 0.7 * seconds) if validation + test else 0.0
        reading = self.decoding * test
        if self.frozen is not None and test:
            reading += test * self.frozen.seconds_per_image(self.data.train.images)
        return each * validation, each * (validation + scored) + reading + self._evidence_time(training)

    def scoring_time(self, training: Training, seconds: float = 1.0) -> float:
        """Seconds to score one image with all networks of the method.

        Measured on two images, then on four times as many, and so on, while that fits `seconds`.
        """
        part = self.data.val or ImageSubset(self.data.train, self.data.labeled_rows)
        exam, network = self.exam(part), training.method.student
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

    def _evidence_time(self, training: Training) -> float:
        """Seconds of `evidence`, from some of the images."""
        if not self._gives_evidence(training):
            return 0.0
        few = self.data.train.images[:_TIMED_STATISTICS]
        begin = time.perf_counter()
        pixel_features(few)
        count = min(MOST_FOR_EVIDENCE, len(self.data.unlabeled_rows)) + 2 * len(self.data.labeled_rows)
        return count * (time.perf_counter() - begin) / len(few)

    def exam(self, part: ImageSubset) -> Exam:
        """A part of the data, to score networks on."""
        if isinstance(self.task, Representation):
            own = ImageSubset(self.data.train, self.data.labeled_rows)
            bank = None if part.images is self.data.train else own
            return NeighborExam(self.task, part, bank, self.normalization, self.device)
        rows, images, labels = part.rows, part.images.images, part.images.labels
        if self.frozen is None:
            return ImageExam(self.task, images, rows, labels, self.normalization, self.device)
        if images is self.data.train.images and self._features is not None:
            return ImageExam(self.task, self._features, rows, labels, unchanged, self.device)
        features = self.frozen.transformed(self.frozen.raw_features(images[rows], self.console))
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

    def final_exams(self, training: Training, run: Path) -> dict[str, Callable[[], Exam]]:
        """See `DataModule`."""
        exams: dict[str, Callable[[], Exam]] = {}
        if (validation := self.validation()) is not None:
            exams["validation"] = lambda: validation
        if self.data.has_test:
            exams["test"] = lambda: self.exam(self.data.load_test())
        return exams

    def evidence(self, training: Training) -> dict[str, Any]:
        """How labeled and unlabeled images differ, and how well labels fit the images; None if there are too few.

        Of a frozen network, the cross-validated score of the head, if there is one.
        """
        if self._estimate is not None:
            return {KEY: self._estimate.to_dict()}
        if not self._gives_evidence(training):
            return {}  # pixel statistics tell nothing of what a frozen network sees
        images, rows, label = self.data.train.images, self.data.labeled_rows, self.data.train.labels
        val = self.data.val
        if val is not None and val.images.images is images:
            rows, label = np.union1d(rows, val.rows), np.maximum(label, val.images.labels)
        gap = measure_gap(images, rows, self.data.unlabeled_rows, seed=training.seed)
        fit = measure_label_fit(images[rows], label[rows], seed=training.seed)
        return {
            "gap": None if gap is None else dataclasses.asdict(gap),
            "label_fit": None if fit is None else dataclasses.asdict(fit),
        }

    def _gives_evidence(self, training: Training) -> bool:
        return self.frozen is None and bool(training.method.labeled_views and training.method.unlabeled_views)

    def view_settings(self, cfg: RunConfig) -> Iterator[tuple[str, list[str]]]:
        """See `DataModule`."""
        given, default = dataclasses.asdict(cfg.augment), dataclasses.asdict(AugmentConfig())
        for part, view in (("strong", "strong"), ("ct", "strong"), ("contrastive", "contrastive")):
            yield view, [f"augment.{part}.{name}" for name, v in given[part].items() if v != default[part][name]]


def _normalization(cfg: RunConfig, dataset: ImageDataset) -> Normalization:
    """Statistics of the training images, or those that published weights were trained with."""
    if not cfg.network.starts_pretrained:
        return pixel_statistics(dataset.train.images)
    prepared = preparation(timm_name(cfg.network))
    if dataset.channels == 3:
        return Normalization(prepared.mean, prepared.std)
    return Normalization((statistics.fmean(prepared.mean),), (statistics.fmean(prepared.std),))
