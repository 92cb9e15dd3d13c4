"""MoCo's loss, gradient and queue against a naive float64 version written from the algorithm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference import moco as reference
from reference.losses import gradient as gradient_of
from reference.teacher import teacher_weight
from support.linear import Linear, problem
from tutelage.core.batch import Batch, Progress, Samples
from tutelage.core.errors import ConfigError
from tutelage.methods.base import Method
from tutelage.methods.moco import MoCo, MoCoV1, MoCoV2
from tutelage.networks.base import Network
from tutelage.networks.split_batch_norm import SplitBatchNorm
from tutelage.tasks.representation import Representation

U, SIZE, QUEUE, LR = 3, 5, 8, 0.3
SETTINGS: list[dict[str, Any]] = [{}, {"head": "mlp"}, {"head": "linear"}, {"symmetric": True}, {"shuffle": False}]


def build(method: type[Method] = MoCoV1, student: nn.Module | None = None, rows: int = U, **settings: Any) -> MoCo:
    torch.manual_seed(0)
    settings = {"projection_size": SIZE, "queue_size": QUEUE, "ema_decay": 0.8, **settings}
    network = Linear() if student is None else student
    made = method(network, Representation(()), problem(2, rows), method.Config(**settings)).double()
    assert isinstance(made, MoCo)
    made.queue = F.normalize(made.queue, dim=1)  # unit to float64's precision
    return made.train()


def batch_at(step: int, rows: int = U) -> Batch:
    draw = torch.Generator().manual_seed(step)
    views = tuple(torch.randn(rows, 1, 2, 2, generator=draw, dtype=torch.float64) for _ in range(2))
    return Batch(None, Samples(views, torch.arange(rows)))


def pixels(view: Tensor) -> np.ndarray:
    return view.flatten(1).numpy()


def naive_loss(method: MoCo, batch: Batch, student: list[np.ndarray], teacher: list[np.ndarray], queue: Any) -> float:
    assert batch.unlabeled is not None
    views = [pixels(view) for view in batch.unlabeled.views]

    def term(query_view: np.ndarray, key_view: np.ndarray) -> float:
        queries = np.array([reference.unit(reference.project(image, student)) for image in query_view])
        keys = np.array([reference.unit(reference.project(image, teacher)) for image in key_view])
        return float(reference.loss(queries, keys, queue, method.cfg.temperature))

    return term(views[0], views[1]) + (term(views[1], views[0]) if method.cfg.symmetric else 0.0)


def naive_keys(batch: Batch, teacher: list[np.ndarray], symmetric: bool) -> np.ndarray:
    assert batch.unlabeled is not None
    views = [batch.unlabeled.views[1], *([batch.unlabeled.views[0]] if symmetric else [])]
    return np.array([reference.unit(reference.project(image, teacher)) for view in views for image in pixels(view)])


def check_gradient(
    method: MoCo, batch: Batch, student: list[np.ndarray], teacher: list[np.ndarray], queue: np.ndarray
) -> None:
    for number, parameter in enumerate(method.student.parameters()):

        def loss_of(value: np.ndarray, number: int = number) -> float:
            changed = [*student[:number], value, *student[number + 1 :]]
            return naive_loss(method, batch, changed, teacher, queue)

        assert parameter.grad is not None
        np.testing.assert_allclose(parameter.grad.numpy(), gradient_of(loss_of, student[number]), rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("version", [MoCoV1, MoCoV2], ids=lambda m: m.name)
def test_loss_gradient_queue_and_teacher_of_three_steps_are_those_of_the_algorithm(
    version: type[Method], settings: dict[str, Any]
) -> None:
    method = build(version, **settings)
    parameters = list(method.student.parameters())
    student = [p.detach().numpy().copy() for p in parameters]
    teacher, queue, end = [value.copy() for value in student], method.queue.numpy().copy(), 0
    for step in range(3):
        batch = batch_at(step)
        out = method(batch, Progress(step, 10))
        method.student.zero_grad()
        out.loss.backward()
        assert float(out.loss.detach()) == pytest.approx(naive_loss(method, batch, student, teacher, queue), rel=1e-6)
        check_gradient(method, batch, student, teacher, queue)
        queue, end = reference.enqueue(queue, end, naive_keys(batch, teacher, method.cfg.symmetric))
        with torch.no_grad():
            for p in parameters:
                p.sub_(LR * p.grad)  # type: ignore[operator]
        student = [p.detach().numpy().copy() for p in parameters]
        teacher = [0.8 * old + 0.2 * new for old, new in zip(teacher, student, strict=True)]
        method.teacher.update(method.student, step + 1)
        method.remember(out)
        np.testing.assert_allclose(method.queue.numpy(), queue, rtol=1e-6, atol=1e-7)
        assert int(method.queue_end) == end


@pytest.mark.parametrize("version", [MoCoV1, MoCoV2], ids=lambda m: m.name)
def test_the_key_encoder_starts_as_a_copy_and_is_the_closed_form_average(version: type[Method]) -> None:
    method = build(version)
    first = {name: float(p.detach().flatten()[0]) for name, p in method.student.named_parameters()}
    for name, p in method.teacher.network.named_parameters():
        assert torch.equal(p, method.student.get_parameter(name)) and not p.requires_grad
    seen: dict[str, list[float]] = {name: [] for name in first}
    for step in range(5):
        with torch.no_grad():
            for p in method.student.parameters():
                p.add_(torch.randn_like(p))
        for name, p in method.student.named_parameters():
            seen[name].append(float(p.detach().flatten()[0]))
        method.teacher.update(method.student, step + 1)
    for name, p in method.teacher.network.named_parameters():
        expected = teacher_weight(first[name], seen[name], 0.8, warmup=False)
        assert float(p.detach().flatten()[0]) == pytest.approx(expected, rel=1e-12)


def test_the_queue_is_a_ring_whatever_its_size() -> None:
    method = build(queue_size=7)
    rows = 0
    for step in range(9):
        out = method(batch_at(step), Progress(step, 10))
        method.remember(out)
        rows += U
        assert int(method.queue_end) == rows % 7
        newest = [(rows - 1 - back) % 7 for back in range(U)]
        torch.testing.assert_close(method.queue[newest], out.keep["keys"].flip(0), rtol=0, atol=0)
    torch.testing.assert_close(method.queue.norm(dim=1), torch.ones(7, dtype=torch.float64))


def test_the_queue_and_its_end_are_in_the_state() -> None:
    method = build()
    method.remember(method(batch_at(0), Progress(0, 10)))
    other = build()
    other.load_state_dict(method.state_dict())
    assert torch.equal(other.queue, method.queue) and int(other.queue_end) == U


def test_the_keys_of_a_step_are_never_its_own_negatives() -> None:
    method = build(temperature=0.05, symmetric=True)
    batch = batch_at(0)
    first = method(batch, Progress(0, 10))
    method.remember(first)
    again = method(batch, Progress(1, 10))  # now each image's keys are in the queue
    assert float(again.loss.detach()) > float(first.loss.detach()) + math.log(2.0)


def test_swapping_the_views_changes_nothing_where_the_loss_is_symmetric() -> None:
    method, batch = build(symmetric=True), batch_at(0)
    assert batch.unlabeled is not None
    loss = float(method(batch, Progress(0, 10)).loss.detach())
    batch.unlabeled.views = batch.unlabeled.views[::-1]
    assert float(method(batch, Progress(0, 10)).loss.detach()) == pytest.approx(loss, rel=1e-6)
    assert len(method(batch, Progress(0, 10)).keep["keys"]) == 2 * U


def test_the_loss_of_random_directions_is_near_its_chance_level() -> None:
    method = build(rows=64, queue_size=4096, projection_size=128, temperature=0.2)
    method.queue = F.normalize(torch.randn(4096, 128, dtype=torch.float64), dim=1)
    batch = batch_at(0, 64)
    assert batch.unlabeled is not None
    method.student.head = nn.Identity()  # type: ignore[assignment]
    directions = torch.randn(64, 128, dtype=torch.float64)
    method.student.features = lambda images: directions  # type: ignore[method-assign, assignment]
    method.teacher.network = nn.Sequential(nn.Flatten(), nn.Linear(4, 128, dtype=torch.float64))
    expected = math.log(4097) + 1 / (2 * 128 * 0.2**2)
    assert float(method(batch, Progress(0, 10)).loss.detach()) == pytest.approx(expected, abs=0.25)


class BorderNetwork(Network):
    """Looks at a black corner of the image alone, after batch norm: it sees the statistics of its part of the batch,
    and nothing of the image."""

    def __init__(self, channels: int, splits: int) -> None:
        super().__init__()
        self.norm = SplitBatchNorm(channels, splits)
        self.head = nn.Linear(channels, 2)

    def features(self, images: Tensor) -> Tensor:
        return self.norm(images)[:, :, 0, 0]


def positives_first(*, shuffle: bool) -> float:
    """How often such a network tells the positive from the keys of 24 other steps."""
    rows, channels, splits = 16, 12, 4
    method = build(
        MoCoV1,
        BorderNetwork(channels, splits),
        rows,
        shuffle=shuffle,
        queue_size=24 * rows,
        projection_size=channels,
        temperature=0.1,
    )
    for network in (method.student, method.teacher.network):
        network.head = nn.Identity()  # type: ignore[assignment]
    shares = []
    for step in range(30):
        draw = torch.Generator().manual_seed(step)
        image = torch.randn(rows, channels, 3, 3, generator=draw, dtype=torch.float64)
        image[:, :, 0, 0] = 0.0
        torch.manual_seed(step)
        out = method(Batch(None, Samples((image, image), torch.arange(rows))), Progress(step, 30))
        method.remember(out)
        shares.append(float(out.log["positives_first"]))
    return sum(shares[24:]) / 6


def test_without_shuffling_batch_statistics_give_the_positive_away_and_with_it_they_do_not() -> None:
    assert positives_first(shuffle=False) == 1.0
    assert positives_first(shuffle=True) < 0.2


def test_with_ordinary_batch_norm_shuffling_changes_no_key_and_with_parts_it_does() -> None:
    def keys(splits: int, shuffle: bool) -> Tensor:
        method = build(MoCoV2, BorderNetwork(1, splits), 8, shuffle=shuffle, queue_size=64)
        images = torch.randn(8, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        torch.manual_seed(1)
        return method.keys_of(images)

    torch.testing.assert_close(keys(1, True), keys(1, False))
    assert float((keys(4, True) - keys(4, False)).abs().max()) > 1e-3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "method.temperature must be above 0"),
        ({"queue_size": 0}, "method.queue_size must be at least 1"),
        ({"projection_size": 0}, "method.projection_size must be at least 1"),
        ({"ema_decay": 1.0}, r"method.ema_decay must be in \[0, 1\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MoCoV2.Config(**settings)


@pytest.mark.parametrize(("settings", "keys"), [({}, 3), ({"symmetric": True}, 6)])
def test_a_queue_smaller_than_the_keys_of_a_step_is_refused(settings: dict[str, Any], keys: int) -> None:
    build(queue_size=keys, **settings)
    with pytest.raises(ConfigError, match=f"method.queue_size {keys - 1} is smaller than the {keys} keys of a step"):
        build(queue_size=keys - 1, **settings)


def test_the_defaults_are_the_papers() -> None:
    one, two = MoCoV1.Config(), MoCoV2.Config()
    assert (one.temperature, one.head, two.temperature, two.head) == (0.07, "linear", 0.2, "mlp")
    assert (one.queue_size, one.ema_decay, one.projection_size, one.symmetric) == (65536, 0.999, 128, False)


def test_the_network_that_is_given_stays_as_it_was() -> None:
    network = Linear()
    head, before = network.head, {name: value.clone() for name, value in network.state_dict().items()}
    method = build(student=network)
    method(batch_at(0), Progress(0, 10)).loss.backward()
    with torch.no_grad():
        for trained in method.student.parameters():
            assert trained.grad is not None
            trained -= LR * trained.grad
    assert network.head is head and all(parameter.grad is None for parameter in network.parameters())
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    names = {
        name for name in method.state_dict() if name.startswith("student.") and not name.startswith("student.head")
    }
    assert names == {f"student.{name}" for name in before if not name.startswith("head")}  # as in older checkpoints
