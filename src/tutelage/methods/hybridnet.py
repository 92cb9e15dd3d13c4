"""HybridNet: Mean Teacher with an auto-encoder, half of which need not know the classes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, SemiSupervisedBatch, StepOutput
from tutelage.core.ema import EMATeacher
from tutelage.core.errors import ConfigError
from tutelage.core.losses import balanced_reconstruction, logit_distance, softmax_mse
from tutelage.core.precision import at_least_float32
from tutelage.core.schedules import RAMPS, half_cosine, sigmoid_rampdown, sigmoid_rampup
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import TeacherEMAConfig
from tutelage.networks.base import Network
from tutelage.networks.staged import StagedNetwork
from tutelage.tasks.base import Task

INTERMEDIATE_RAMPUP = 2 / 300
LAST_FIFTH = 0.2  # of training, in which the simpler form ramps down


class HybridNet(Method[SemiSupervisedBatch]):
    """HybridNet: Robert, Thome & Cord 2018, arXiv:1807.11407.

    loss = H(y, p(weak x)) + w r(t) mean over rows of |p_student(view 1) - p_teacher(view 2)|^2 / K
           + a s(t) mean over pixels of (c + d - view 1)^2
           + b s(t) sum over both branches and all maps but the last of mean (decoded map - encoded map)^2
    The first line is Mean Teacher's. The student is the encoder of the branch that makes c; the other has an encoder of
    its own, and makes d, what the classes do not explain. Balancing: the reconstruction trains that branch alone whose
    own one, c or d, is further from the image, which is decided for each image or for the batch. Encoded maps get no
    gradient as targets. r and s are ramps; s falls at the end.
    """

    name, evaluated = "hybridnet", "teacher"
    labeled_views, unlabeled_views = ("weak", "weak"), ("weak", "weak")
    student: StagedNetwork
    teacher: EMATeacher

    @dataclass(frozen=True, kw_only=True)
    class Config(TeacherEMAConfig):
        """Settings of `hybridnet`: Mean Teacher's, and those of the auto-encoder with the official code's defaults."""

        consistency_weight: Annotated[float, "w, after the ramp-up"] = 50.0
        ramp: Annotated[Literal["sigmoid", "linear"], "shape of the ramp-up r"] = "linear"
        rampup: Annotated[float, "length of the ramp-up r, as a share of training"] = 0.4
        class_loss_divisor: Annotated[
            Literal["labeled", "batch"],
            "rows that the class loss is averaged over; all of the batch in the official code",
        ] = "labeled"
        logit_distance_weight: Annotated[
            float | None, "two heads, for classes and consistency, tied by this weight; by default one head"
        ] = None
        balancing: Annotated[
            Literal["sample", "batch"],
            "choose the branch that reconstruction trains per sample, or per batch (simpler form)",
        ] = "sample"
        reconstruction_weight: Annotated[float, "a, weight of the squared error averaged over pixels"] = 0.25
        reconstruction_rampup: Annotated[float, "length of its sigmoid ramp-up, as a share of training"] = 5 / 300
        intermediate_weight: Annotated[
            float | None, "b, weight of the intermediate maps; none, as in the simpler form, leaves them out"
        ] = 0.5
        intermediate_rampup: Annotated[float, "length of its sigmoid ramp-up, as a share of training"] = (
            INTERMEDIATE_RAMPUP
        )
        rampdown: Annotated[
            Literal["cosine", "sigmoid"],
            "ramp-down of both: a cosine over the whole training, or a sigmoid over the last fifth (simpler form)",
        ] = "cosine"

        def __post_init__(self) -> None:
            super().__post_init__()
            for name in ("consistency_weight", "reconstruction_weight"):
                require(getattr(self, name) >= 0, f"method.{name}", "at least 0", getattr(self, name))
            for name in ("logit_distance_weight", "intermediate_weight"):
                value = getattr(self, name)
                require(value is None or value > 0, f"method.{name}", "above 0, or none", value)
            if self.intermediate_weight is None and self.intermediate_rampup != INTERMEDIATE_RAMPUP:
                raise ConfigError("method.intermediate_rampup does nothing without method.intermediate_weight")
            for name in ("rampup", "reconstruction_rampup", "intermediate_rampup"):
                require(0.0 <= getattr(self, name) <= 1.0, f"method.{name}", "in [0, 1]", getattr(self, name))

    cfg: Config

    @classmethod
    def features_fault(cls, cfg: Config) -> str | None:
        """It reconstructs images."""
        return "it reconstructs images from the maps of the network"

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        if not isinstance(student, StagedNetwork):
            raise ConfigError(
                "hybridnet needs a network that shows its maps: network.name small, conv-large, wrn-... or "
                "shake-shake-..."
            )
        self.teacher = EMATeacher(student, cfg.decay, warmup=cfg.ema_warmup, buffers=cfg.ema_buffers)
        self.decoder, self.other_encoder, self.other_decoder = student.decoder(), student.encoder(), student.decoder()
        self.consistency_head: nn.Linear | None = None
        if cfg.logit_distance_weight is not None:
            self.consistency_head = copy.deepcopy(student.head)
            self.consistency_head.reset_parameters()

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u, cfg = batch.labeled, batch.unlabeled, self.cfg
        images = torch.cat([x.views[0], u.views[0]])  # one pass: batch norm sees all rows
        maps, other_maps = self.student.stages(images), self.other_encoder.stages(images)
        features = self.student.pooled(maps[-1])
        logits = self.student.head(features)
        logits_second = logits if self.consistency_head is None else self.consistency_head(features)
        target = self.teacher(torch.cat([x.views[1], u.views[1]]))

        supervised = self.task.loss(logits[: len(x)], x.label)
        if cfg.class_loss_divisor == "batch":
            supervised = supervised * (len(x) / len(logits))
        consistency = softmax_mse(at_least_float32(logits_second), at_least_float32(target)).mean()
        weight = cfg.consistency_weight * RAMPS[cfg.ramp](t.step, cfg.rampup * t.total)
        unlabeled = weight * consistency
        log: Log = {
            "supervised": supervised.detach(),
            "consistency": consistency.detach(),
            "consistency_weight": weight,
        }
        if cfg.logit_distance_weight is not None:
            tie = logit_distance(at_least_float32(logits), at_least_float32(logits_second)).mean()
            unlabeled = unlabeled + cfg.logit_distance_weight * tie
            log["logit_distance"] = tie.detach()

        part, part_maps = self.decoder(maps, images)
        other, other_part_maps = self.other_decoder(other_maps, images)
        reconstruction = balanced_reconstruction(
            *(at_least_float32(image) for image in (part, other, images)), per=cfg.balancing
        ).mean()
        unlabeled = unlabeled + cfg.reconstruction_weight * self._share(t, cfg.reconstruction_rampup) * reconstruction
        log["reconstruction"] = reconstruction.detach()
        if cfg.intermediate_weight is not None:
            decoded, encoded = [*part_maps, *other_part_maps], [*maps[:-1], *other_maps[:-1]]
            intermediate = map_distance(decoded, encoded)
            unlabeled = unlabeled + cfg.intermediate_weight * self._share(t, cfg.intermediate_rampup) * intermediate
            log["intermediate"] = intermediate.detach()
        return StepOutput(supervised + unlabeled, log, unlabeled_loss=unlabeled.detach())

    def _share(self, t: Progress, rampup: float) -> float:
        """s(t): up over the first steps, and down to the end."""
        down = half_cosine(t.step, t.total)
        if self.cfg.rampdown == "sigmoid":
            down = sigmoid_rampdown(t.step, t.total, LAST_FIFTH * t.total)
        return sigmoid_rampup(t.step, rampup * t.total) * down


def map_distance(decoded: list[Tensor], encoded: list[Tensor]) -> Tensor:
    """Scalar: the squared difference, averaged over each map and summed over maps; the encoded ones get no gradient."""
    pairs = zip(map(at_least_float32, decoded), map(at_least_float32, encoded), strict=True)
    return torch.stack([(d - e.detach()).square().mean() for d, e in pairs]).sum()
