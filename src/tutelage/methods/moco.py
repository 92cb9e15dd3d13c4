"""MoCo v1 and v2: an encoder from no labels, taught to recognize an image among many in another view."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutelage.config.settings import require
from tutelage.core.batch import Log, Progress, SelfSupervisedBatch, StepOutput
from tutelage.core.contrast import alignment, effective_rank, feature_spread, info_nce, uniformity
from tutelage.core.distributed import local_rows, rows_of_all_ranks, rows_of_main
from tutelage.core.ema import EMATeacher
from tutelage.core.errors import ConfigError
from tutelage.core.precision import at_least_float32
from tutelage.methods.base import Method, Problem
from tutelage.networks.base import Network
from tutelage.tasks.base import Task


@dataclass(frozen=True, kw_only=True)
class MoCoSettings:
    """What both versions can be set to; they differ in the defaults of `temperature` and `head`."""

    temperature: Annotated[
        float, "T, temperature of the similarities; smaller values weight the nearest negatives more"
    ]
    head: Annotated[Literal["linear", "mlp"], "projection of the features before they are compared"]
    projection_size: Annotated[int, "length of queries and keys"] = 128
    queue_size: Annotated[int, "K, number of earlier keys that serve as negatives; at least those of one step"] = 65536
    ema_decay: Annotated[float, "m, decay of the key encoder"] = 0.999
    symmetric: Annotated[bool, "use each view as query and key in turn, and add the losses: twice the passes"] = False
    shuffle: Annotated[bool, "normalize keys with other rows than their queries, if batch norm has parts"] = True

    def __post_init__(self) -> None:
        require(self.temperature > 0, "method.temperature", "above 0", self.temperature)
        require(self.projection_size >= 1, "method.projection_size", "at least 1", self.projection_size)
        require(self.queue_size >= 1, "method.queue_size", "at least 1", self.queue_size)
        require(0.0 <= self.ema_decay < 1.0, "method.ema_decay", "in [0, 1)", self.ema_decay)


class MoCo(Method[SelfSupervisedBatch]):
    """What both versions do; see `MoCoV1`.

    The student is the query encoder: a copy of the given network with the projection for a head. What is kept for later
    is `student.features`. The teacher is the key encoder, which starts as a copy and has batch-norm statistics of its
    own.

    Buffers: `queue` (K, projection_size) float32, unit rows, at first random ones; `queue_end` int64, where the next
    key goes: a ring, in which the oldest keys are replaced.
    """

    tasks = ("representation",)
    evaluated = "student"
    unlabeled_views = ("contrastive", "contrastive")
    teacher: EMATeacher
    queue: Tensor
    queue_end: Tensor
    cfg: MoCoSettings

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: MoCoSettings) -> None:
        super().__init__(student, task, problem, cfg)
        self.enqueued = problem.unlabeled_batch * (2 if cfg.symmetric else 1)  # keys a step
        if cfg.queue_size < self.enqueued:
            raise ConfigError(
                f"method.queue_size {cfg.queue_size} is smaller than the {self.enqueued} keys of a step: take a larger "
                "queue, or a smaller train.batch_size"
            )
        self.student = copy.deepcopy(student)  # the caller's keeps its head
        self.student.add_module("head", projection(student.head.in_features, cfg.projection_size, cfg.head))
        self.teacher = EMATeacher(self.student, cfg.ema_decay, warmup=False, buffers="own")
        self.register_buffer("queue", F.normalize(torch.randn(cfg.queue_size, cfg.projection_size), dim=1))
        self.register_buffer("queue_end", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: SelfSupervisedBatch, t: Progress) -> StepOutput:
        u, cfg = batch.unlabeled, self.cfg
        first, second = u.views
        keys = self.keys_of(second)  # of all ranks; first, so that its memory is free for what the gradient needs
        key = keys[local_rows(len(keys))]
        features = self.student.features(first)
        query = unit(self.student.head(features))
        loss, found = info_nce(query, key, self.queue, cfg.temperature)
        if cfg.symmetric:  # against the same queue, as the authors' demonstration does: never against this step's keys
            other_keys = self.keys_of(first)
            other_query = unit(self.student(second))
            other, _ = info_nce(other_query, other_keys[local_rows(len(keys))], self.queue, cfg.temperature)
            loss, keys = loss + other, torch.cat([keys, other_keys])
        query, features = query.detach(), at_least_float32(features.detach())
        log: Log = {
            "positives_first": found,
            "alignment": alignment(query, key),
            "uniformity": uniformity(query),
            "effective_rank": effective_rank(features),
            "feature_spread": feature_spread(features),
            "queue_age": min(t.step, cfg.queue_size / self.enqueued),  # steps since the oldest real key was made
        }
        return StepOutput(loss, log, keep={"keys": keys}, unlabeled_loss=loss.detach())

    @torch.no_grad()
    def keys_of(self, images: Tensor) -> Tensor:
        """(B, projection_size) of all ranks in the order of the global batch, from this rank's rows of it.

        With `shuffle` the rows are dealt anew over the ranks and over the parts of split batch norm, so that a key's
        batch statistics do not tell which query it belongs to.
        """
        if not self.cfg.shuffle:
            return rows_of_all_ranks(unit(self.teacher(images)))
        everyone = rows_of_all_ranks(images)
        order = rows_of_main(torch.rand(len(everyone), device=images.device).argsort())
        keys = rows_of_all_ranks(unit(self.teacher(everyone[order[local_rows(len(everyone))]])))
        return torch.empty_like(keys).index_copy_(0, order, keys)

    def remember(self, out: StepOutput) -> None:
        """The step's keys take the places of the oldest; once a step, after all losses."""
        keys = out.keep["keys"]
        places = (self.queue_end + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        self.queue.index_copy_(0, places, keys)
        self.queue_end.add_(len(keys)).remainder_(len(self.queue))


class MoCoV1(MoCo):
    """MoCo v1: He et al. 2020, arXiv:1911.05722, algorithm 1.

    loss = mean over rows of -log( exp(q.k/T) / (exp(q.k/T) + sum over the queue of exp(q.k_j/T)) )
    with q = h(f(view 1)) by the student, k = h(f(view 2)) by the teacher, both of unit length, h linear, and the queue
    the keys of the last steps. The teacher is the moving average of the student.
    """

    name = "moco-v1"

    @dataclass(frozen=True, kw_only=True)
    class Config(MoCoSettings):
        """Settings of `moco-v1`: the paper's."""

        temperature: Annotated[
            float, "T, temperature of the similarities; smaller values weight the nearest negatives more"
        ] = 0.07
        head: Annotated[Literal["linear", "mlp"], "projection of the features before they are compared"] = "linear"


class MoCoV2(MoCo):
    """MoCo v2: Chen et al. 2020, arXiv:2003.04297.

    The loss of `moco-v1`, with a hidden layer in the projection h, a higher temperature and stronger views (the recipe
    is a setting of the views: augment.contrastive.recipe).
    """

    name = "moco-v2"

    @dataclass(frozen=True, kw_only=True)
    class Config(MoCoSettings):
        """Settings of `moco-v2`: the paper's."""

        temperature: Annotated[
            float, "T, temperature of the similarities; smaller values weight the nearest negatives more"
        ] = 0.2
        head: Annotated[Literal["linear", "mlp"], "projection of the features before they are compared"] = "mlp"


def projection(features: int, size: int, kind: Literal["linear", "mlp"]) -> nn.Module:
    """The head that makes queries and keys: one layer, or two with ReLU between them, the hidden one as wide as the
    features. No batch norm; PyTorch's own start of linear layers, as in the authors' code."""
    if kind == "linear":
        return nn.Linear(features, size)
    return nn.Sequential(nn.Linear(features, features), nn.ReLU(inplace=True), nn.Linear(features, size))


def unit(rows: Tensor) -> Tensor:
    """(B, D) of length 1, in float32 or better, whatever the precision of the network."""
    return F.normalize(at_least_float32(rows), dim=1)
