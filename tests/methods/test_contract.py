"""What every method must keep: one battery over METHODS."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from torch import Tensor, nn

from tutelage.config.settings import OptimizerConfig
from tutelage.core.batch import Batch, Progress, Samples
from tutelage.core.feature_bank import FeatureBank
from tutelage.methods import METHODS
from tutelage.methods.base import Method, Problem
from tutelage.networks.base import Network
from tutelage.networks.dense import DenseNetwork, enlarged
from tutelage.networks.staged import StagedNetwork
from tutelage.tasks.base import Task
from tutelage.tasks.classification import Classification
from tutelage.tasks.segmentation import Segmentation
from tutelage.training.optimizer import build_optimizer
from tutelage.training.schedule import set_schedule

K, X, U, TOTAL = 3, 4, 6, 12
DIMS = 6  # of cached features
PROBLEM = Problem(
    num_classes=K,
    train_rows=20,
    labeled_rows=8,
    unlabeled_rows=20,
    labeled_batch=X,
    unlabeled_batch=U,
    labeled_counts=(3, 3, 2),
)
SEMI_SUPERVISED = [method for method in METHODS if method.unlabeled_views]
WITH_TEACHER = [method for method in METHODS if method.evaluated == "teacher"]
THRESHOLD = 0.6  # where a method has one: about as sure as the tiny network is, so that some rows pass
QUEUE = 20  # keys, where a method has a queue


class Tiny(StagedNetwork):
    """A network with what makes state, batch norm and dropout, and two maps."""

    channels = (1, 4, 4)

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2)
        )
        self.head = nn.Linear(4, K)

    def stages(self, images: Tensor) -> list[Tensor]:
        first = self.trunk[:3](images)
        return [first, self.trunk[3](first)]


class TinyDense(DenseNetwork):
    """The same for segmentation; with deep supervision it has a second, coarser map of logits."""

    divisor = (1, 1)

    def __init__(self, *, deep_supervision: bool) -> None:
        super().__init__()
        self.deep_supervision = deep_supervision
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2)
        )
        self.head = nn.Conv2d(4, K, 1)
        self.coarse_head = nn.Conv2d(4, K, 1) if deep_supervision else None

    def features(self, images: Tensor) -> Tensor:
        return self.trunk(images)

    def maps(self, images: Tensor) -> tuple[Tensor, ...]:
        features = self.features(images)
        if self.coarse_head is None:
            return (self.head(features),)
        coarse = self.coarse_head(nn.functional.avg_pool2d(features, 2))
        return self.head(features), enlarged(coarse, images.shape[2:])


class TinyHead(Network):
    """The same for features."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(DIMS, 4, bias=False), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.2))
        self.head = nn.Linear(4, K)

    def features(self, images: Tensor) -> Tensor:
        return self.trunk(images)


def is_dense(method: Method | type[Method]) -> bool:
    return method.tasks == ("segmentation",)


def build(method: type[Method], **settings: Any) -> Method:
    torch.manual_seed(0)
    if "threshold_start" in method.Config.__dataclass_fields__:
        settings = {"threshold_start": 0.97, **settings}
    if "threshold" in method.Config.__dataclass_fields__:
        settings = {"threshold": THRESHOLD, **settings}
    if "queue_size" in method.Config.__dataclass_fields__:
        settings = {"queue_size": QUEUE, **settings}
    student: nn.Module = Tiny()
    task: Task = Classification("abc")
    if is_dense(method):
        student = TinyDense(deep_supervision=method.deep_supervision)
        task = Segmentation("abc", patch_size=(5, 5))
    if method.needs_features:
        student = TinyHead()
    made = method(student, task, PROBLEM, method.Config(**settings)).train()
    if method.needs_features:
        made.prepare(bank())
    return made


def bank() -> FeatureBank:
    """Of all rows; the labels are those of `PROBLEM`."""
    features = torch.randn(PROBLEM.train_rows, DIMS, generator=torch.Generator().manual_seed(0))
    label = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    return FeatureBank(features, torch.arange(PROBLEM.labeled_rows), label, torch.arange(PROBLEM.train_rows))


def batch_of(method: Method | type[Method], step: int) -> Batch:
    draw = torch.Generator().manual_seed(step)
    shape = (DIMS,) if method.needs_features else (1, 5, 5)

    def stream(rows: int, views: tuple[str, ...], label: Tensor | None) -> Samples | None:
        if not views:
            return None
        made = tuple(torch.randn(rows, *shape, generator=draw) for _ in views)
        return Samples(made, torch.randint(20, (rows,), generator=draw), label)

    labels = torch.randint(K, (X, 5, 5) if is_dense(method) else (X,), generator=draw)
    return Batch(stream(X, method.labeled_views, labels), stream(U, method.unlabeled_views, None))


def train(method: Method, steps: range, optimizer: torch.optim.Optimizer, cfg: OptimizerConfig) -> None:
    for step in steps:
        torch.manual_seed(step)
        set_schedule(optimizer, step, TOTAL, cfg)
        out = method(batch_of(method, step), Progress(step, TOTAL))
        optimizer.zero_grad()
        out.loss.backward()
        optimizer.step()
        if method.teacher is not None:
            method.teacher.update(method.student, step + 1)
        method.remember(out)


def moved(method: Method) -> Method:
    """After a few steps, so that student and teacher differ and ramps are above zero."""
    cfg = OptimizerConfig(lr=0.1)
    train(method, range(6), build_optimizer(method, cfg), cfg)
    return method


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_the_gradient_reaches_every_parameter_of_the_student_and_none_of_the_teacher(method: type[Method]) -> None:
    made = moved(build(method))
    made.zero_grad(set_to_none=True)
    made(batch_of(method, 7), Progress(7, TOTAL)).loss.backward()
    for name, p in made.named_parameters():
        if name.startswith("teacher."):
            assert p.grad is None and not p.requires_grad, name
        else:
            assert p.grad is not None and bool(p.grad.abs().sum() > 0), name
    assert not any(name.startswith("teacher.") for name, p in made.named_parameters() if p.requires_grad)


@pytest.mark.parametrize("method", SEMI_SUPERVISED, ids=lambda m: m.name)
def test_every_view_of_the_unlabeled_stream_changes_the_gradient_of_the_student(method: type[Method]) -> None:
    made = moved(build(method))

    def gradient(change: int | None) -> Tensor:
        batch = batch_of(method, 7)
        assert batch.unlabeled is not None
        if change is not None:
            views = list(batch.unlabeled.views)
            views[change] = views[change].flip(0) + 1.0
            batch.unlabeled.views = tuple(views)
        one = copy.deepcopy(made)
        torch.manual_seed(0)
        one(batch, Progress(7, TOTAL)).loss.backward()
        return torch.cat([p.grad.flatten() for p in one.student.parameters() if p.grad is not None])

    base = gradient(None)
    for view in range(len(method.unlabeled_views)):
        assert bool((gradient(view) - base).abs().max() > 1e-6), f"view {view} does nothing"


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_forward_writes_nothing_but_batch_norm_statistics(method: type[Method]) -> None:
    made = moved(build(method))
    before = {name: value.clone() for name, value in made.state_dict().items()}
    made(batch_of(method, 7), Progress(7, TOTAL))
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    for name, value in made.state_dict().items():
        if not name.endswith(statistics):
            assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
@pytest.mark.parametrize("optimizer_name", ["sgd", "adamw"])
def test_k_steps_save_load_n_steps_are_k_plus_n_steps(method: type[Method], optimizer_name: str) -> None:
    cfg = OptimizerConfig(name=optimizer_name, lr=0.1)  # type: ignore[arg-type]
    whole = build(method)
    train(whole, range(TOTAL), build_optimizer(whole, cfg), cfg)
    first = build(method)
    optimizer = build_optimizer(first, cfg)
    train(first, range(5), optimizer, cfg)
    second = build(method)
    second.load_state_dict(first.state_dict())
    resumed = build_optimizer(second, cfg)
    resumed.load_state_dict(optimizer.state_dict())
    train(second, range(5, TOTAL), resumed, cfg)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


@pytest.mark.parametrize("warmup", [True, False])
@pytest.mark.parametrize("method", WITH_TEACHER, ids=lambda m: m.name)
def test_the_teacher_is_the_closed_form_average_of_the_students(method: type[Method], warmup: bool) -> None:
    made = build(method, ema_decay=0.8, ema_warmup=warmup)
    assert made.teacher is not None
    start = {name: p.detach().clone() for name, p in made.student.named_parameters()}
    students: list[dict[str, Tensor]] = []
    cfg = OptimizerConfig(lr=0.1)
    optimizer = build_optimizer(made, cfg)
    for step in range(8):
        train(made, range(step, step + 1), optimizer, cfg)
        students.append({name: p.detach().clone() for name, p in made.student.named_parameters()})
    weights = [1.0]  # of the start, then of each student: the product of all later decays
    for step in range(1, 9):
        decay = min(0.8, 1 - 1 / (step + made.teacher.start_weight)) if warmup else 0.8
        weights = [w * decay for w in weights] + [1 - decay]
    for name, p in made.teacher.network.named_parameters():
        expected = sum(w * s[name].double() for w, s in zip(weights, [start, *students], strict=True))
        torch.testing.assert_close(p.double(), expected, rtol=1e-4, atol=1e-6)
        assert bool((p - made.student.get_parameter(name)).abs().sum() > 0), name


@pytest.mark.parametrize("source", ["copy", "average", "own"])
@pytest.mark.parametrize("method", WITH_TEACHER, ids=lambda m: m.name)
def test_the_teachers_batch_norm_statistics_are_those_that_the_settings_say(method: type[Method], source: str) -> None:
    choices = get_args(get_type_hints(method.Config).get("ema_buffers", Literal["copy"]))
    if source not in choices:
        pytest.skip(f"{method.name} has no such choice")
    made = build(method, **({"ema_buffers": source} if len(choices) > 1 else {}), ema_decay=0.5)
    start = {name: b.detach().clone() for name, b in made.student.named_buffers()}
    moved(made)
    assert made.teacher is not None
    for name, mine in made.teacher.network.named_buffers():
        students = made.student.get_buffer(name)
        assert not torch.equal(students, start[name]), name  # the student's move
        if source == "copy":
            assert torch.equal(mine, students), name
        elif not mine.is_floating_point():
            assert int(mine) % int(students) == 0, name  # passes: one for each of the student, or some
        else:
            assert not torch.equal(mine, students) and not torch.equal(mine, start[name]), name


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_the_predictor_is_the_network_that_the_method_says(method: type[Method]) -> None:
    made = build(method)
    if method.evaluated == "teacher":
        assert made.teacher is not None and made.predictor is made.teacher.network
    else:
        assert made.predictor is made.student


OTHER: dict[str, Any] = {
    "ema_decay": 0.5,
    "ema_warmup": False,
    "ema_buffers": "average",
    "mean-teacher.ema_buffers": "copy",
    "hybridnet.ema_buffers": "copy",
    "teacher_mode": {"teacher_mode": "eval", "ema_buffers": "copy"},
    "consistency": "kl",
    "consistency_weight": 7.0,
    "consistency_on": "unlabeled",
    "ramp": "sigmoid",
    "rampup": 0.9,
    "class_loss_divisor": "batch",
    "logit_distance_weight": 0.1,
    "threshold": 0.1,
    "unlabeled_weight": 3.0,
    "temperature": 0.7,
    "pseudo-label.unlabeled_weight": {"unlabeled_weight": 3.0, "threshold": 0.1},
    "pseudo-label.rampup": {"rampup": 0.9, "threshold": 0.1},
    "fixmatch.unlabeled_weight": {"unlabeled_weight": 3.0, "threshold": 0.1},
    "uda.unlabeled_weight": {"unlabeled_weight": 3.0, "threshold": 0.1},
    "uda.temperature": {"temperature": 0.7, "threshold": 0.1},
    "mixup_alpha": 0.2,
    "mixup_draw": "batch",
    "signal_annealing": "log",
    "strong_views": 1,
    "alignment_steps": 0,
    "fixmatch.alignment_steps": {"alignment_steps": 4, "threshold": 0.4},
    "count_unused": {"count_unused": False, "threshold": 0.7},
    "fairness_weight": 1.0,
    "threshold_decay": 0.5,
    "threshold_min": 0.8,
    "threshold_max": 0.3,
    "softmatch.alignment": "labeled",
    "alignment_start": {"alignment_start": "first-batch", "statistics_decay": 0.5},
    "aligned_labels": {"aligned_labels": True, "statistics_decay": 0.0},
    "neighbors": {"neighbors": 1, "neighbor_share": 0.5},
    "label-propagation.neighbors": 11,
    "soft_steps": {"soft_steps": 1, "votes": "soft"},
    "sigmas": {"sigmas": 1.0, "statistics_decay": 0.5},
    "statistics_decay": 0.5,
    "strong_weight": 2.0,
    "rotation_weight": 0.0,
    "gradient": "one",
    "ensemble_decay": 0.2,
    "temporal-ensembling.ramp": "linear",
    "balancing": "batch",
    "reconstruction_weight": 2.0,
    "reconstruction_rampup": 0.9,
    "intermediate_weight": 2.0,
    "intermediate_rampup": 0.9,
    "rampdown": "sigmoid",
    "passes": "separate",
    "ua-mt.passes": 4,
    "ua-mt.consistency_on": "all",
    "rampup_stairs": 2,
    "teacher_noise": 0.3,
    "ua-mt.ema_buffers": "copy",
    "threshold_start": 0.5,
    "entropy_weight": 7.0,
    "moco-v1.head": "mlp",
    "moco-v2.head": "linear",
    "projection_size": 16,
    "queue_size": 11,
    "symmetric": {"symmetric": True, "queue_size": 12},
    "shuffle": False,
    "sntg_weight": 0.5,
    "sntg_margin": {"sntg_margin": 0.3, "sntg_weight": 0.5},
    "sntg_distance": {"sntg_distance": "sum", "sntg_weight": 0.5},
}


def other_value(method: type[Method], setting: str) -> Any:
    """Another value than the default: from the table, or of a setting that is not in it by its type."""
    if f"{method.name}.{setting}" in OTHER or setting in OTHER:
        return OTHER.get(f"{method.name}.{setting}", OTHER.get(setting))
    default = method.Config.__dataclass_fields__[setting].default
    hint = get_type_hints(method.Config)[setting]
    if get_origin(hint) is Literal:
        return next(choice for choice in get_args(hint) if choice != default)
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default + 1
    return default / 2 if isinstance(default, float) and default else 0.5


SETTINGS = [(method, field.name) for method in METHODS for field in dataclasses.fields(method.Config)]


@pytest.mark.parametrize(("method", "setting"), SETTINGS, ids=lambda v: v if isinstance(v, str) else v.name)
def test_every_setting_changes_something(method: type[Method], setting: str) -> None:
    value = other_value(method, setting)
    changed = value if isinstance(value, dict) else {setting: value}
    base = {k: v for k, v in changed.items() if k != setting}
    one, other = moved(build(method, **base)), moved(build(method, **changed))
    assert one.state_dict().keys() != other.state_dict().keys() or any(
        not torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


BF16: list[tuple[type[Method], dict[str, Any]]] = [
    *((method, {}) for method in METHODS),
    *(
        (method, {"passes": passes})
        for method in METHODS
        if method.name == "fixmatch"
        for passes in ("separate", "kept")
    ),
    *((method, {"gradient": "one"}) for method in METHODS if method.name == "pi-model"),
    *((method, {"logit_distance_weight": 0.1}) for method in METHODS if method.name in ("mean-teacher", "hybridnet")),
]


@pytest.mark.parametrize(("method", "settings"), BF16, ids=lambda v: v.name if isinstance(v, type) else ",".join(v))
def test_in_bf16_the_gradient_reaches_every_parameter_and_costs_are_summed_in_fp32(
    method: type[Method], settings: dict[str, Any]
) -> None:
    made = build(method, **settings)
    with torch.autocast("cpu", torch.bfloat16):
        out = made(batch_of(made, 0), Progress(5, TOTAL))
    out.loss.backward()
    assert torch.isfinite(out.loss)
    for name, value in {"loss": out.loss, **out.log}.items():
        assert not isinstance(value, Tensor) or value.dtype == torch.float32, name
    # Where a pass without gradient comes first, autocast must not go on with the weights that it cast there.
    for name, p in made.named_parameters():
        assert p.grad is not None or not p.requires_grad, name


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_the_unlabeled_loss_is_what_the_loss_has_beside_the_supervised_part(method: type[Method]) -> None:
    low = {"threshold": 0.1} if "threshold" in method.Config.__dataclass_fields__ else {}  # so that rows pass it
    made = moved(build(method, **low))
    out = made(batch_of(made, 7), Progress(7, TOTAL))
    if not method.unlabeled_views:
        assert out.unlabeled_loss is None
        return
    assert out.unlabeled_loss is not None and not out.unlabeled_loss.requires_grad
    assert float(out.unlabeled_loss) > 0
    supervised = float(out.log.get("supervised", 0.0))
    assert float(out.loss.detach()) == pytest.approx(supervised + float(out.unlabeled_loss), rel=1e-5)
    assert out.logged()["unlabeled_loss"] is not None


@pytest.mark.parametrize(("method", "settings"), BF16, ids=lambda v: v.name if isinstance(v, type) else ",".join(v))
def test_in_float64_all_is_float64(method: type[Method], settings: dict[str, Any]) -> None:
    made = build(method, **settings).double()
    for step in range(2):  # the second step reads what the first one kept
        torch.manual_seed(step)
        batch = batch_of(made, step)
        for stream in (batch.labeled, batch.unlabeled):
            if stream is not None:
                stream.views = tuple(view.double() for view in stream.views)
        made.zero_grad()
        out = made(batch, Progress(5 + step, TOTAL))
        out.loss.backward()
        made.remember(out)
    single = (torch.float32, torch.float16, torch.bfloat16)
    assert out.loss.dtype == torch.float64
    assert out.unlabeled_loss is None or out.unlabeled_loss.dtype == torch.float64
    costs = (
        "supervised",
        "unsupervised",
        "consistency",
        "fairness",
        "entropy",
        "reconstruction",
        "intermediate",
        "sntg",
    )
    assert all(value.dtype == torch.float64 for name, value in out.log.items() if name in costs)
    for name, value in made.state_dict().items():
        assert value.dtype not in single, name
    for name, p in made.student.named_parameters():
        assert p.grad is not None and p.grad.dtype == torch.float64 and bool(p.grad.isfinite().all()), name
    assert any(bool(p.grad.abs().sum() > 0) for p in made.student.parameters() if p.grad is not None)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_log_values_are_scalars_without_gradient(method: type[Method]) -> None:
    out = build(method)(batch_of(method, 0), Progress(5, TOTAL))
    for name, value in out.log.items():
        assert isinstance(value, float) or (value.ndim == 0 and not value.requires_grad), name
