"""The teacher against closed forms and the naive loop of `reference/teacher.py`."""

import copy
import statistics
import time
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reference import teacher as reference
from tutelage.config.network import NetworkConfig
from tutelage.core.ema import SLOWEST, BufferSource, EMATeacher, decay_for
from tutelage.networks.build import build_network


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))


def move(student: nn.Module) -> None:
    """What an optimizer step would do: other weights."""
    with torch.no_grad():
        for value in student.parameters():
            value.add_(torch.randn_like(value))


def weights(module: nn.Module) -> Tensor:
    """All parameters in one float64 vector."""
    return torch.cat([value.detach().double().flatten() for value in module.parameters()])


def follow(teacher: EMATeacher, student: nn.Module, steps: int) -> list[Tensor]:
    """Move the student and update the teacher `steps` times; the student's weights after each."""
    path = []
    for step in range(1, steps + 1):
        move(student)
        teacher.update(student, step)
        path.append(weights(student))
    return path


def state(module: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in module.state_dict().items()}


def test_a_new_teacher_is_a_frozen_copy_that_shares_nothing() -> None:
    student = network()
    teacher = EMATeacher(student, 0.9)
    assert torch.equal(weights(teacher.network), weights(student))
    assert not any(value.requires_grad for value in teacher.parameters())
    assert all(value.requires_grad for value in student.parameters())
    move(student)
    assert not torch.equal(weights(teacher.network), weights(student))


@pytest.mark.parametrize("warmup", [True, False])
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.999])
def test_the_teacher_is_that_of_the_naive_loop(decay: float, warmup: bool) -> None:
    student = network()
    teacher, start = EMATeacher(student, decay, warmup=warmup), weights(student)
    path = follow(teacher, student, 25)
    expected = [
        reference.teacher_weight(start[i].item(), [at[i].item() for at in path], decay, warmup=warmup)
        for i in range(len(start))
    ]
    torch.testing.assert_close(
        weights(teacher.network), torch.tensor(expected, dtype=torch.float64), rtol=1e-5, atol=1e-5
    )


def test_during_warmup_the_teacher_is_the_plain_mean_of_its_start_and_all_students() -> None:
    student = network()
    teacher, start = EMATeacher(student, 0.99), weights(student)
    path = follow(teacher, student, 99)  # 1 - 1 / (99 + 1) is the decay: the last step of the warm-up
    torch.testing.assert_close(weights(teacher.network), torch.stack([start, *path]).mean(0), rtol=1e-5, atol=1e-5)


def test_a_fixed_decay_weighs_students_by_a_geometric_series() -> None:
    student = network()
    teacher, start = EMATeacher(student, 0.8, warmup=False), weights(student)
    path = follow(teacher, student, 10)
    expected = 0.8**10 * start
    for age, at in enumerate(reversed(path)):
        expected = expected + 0.2 * 0.8**age * at
    torch.testing.assert_close(weights(teacher.network), expected, rtol=1e-5, atol=1e-5)


def test_the_decay_rises_from_one_half_to_its_value() -> None:
    teacher = EMATeacher(network(), 0.99)
    assert [teacher.decay_at(step) for step in (1, 2, 9, 99, 100_000)] == pytest.approx([1 / 2, 2 / 3, 0.9, 0.99, 0.99])
    assert EMATeacher(network(), 0.99, warmup=False).decay_at(1) == 0.99


def test_a_decay_of_0_follows_the_student_and_a_decay_of_1_never_moves() -> None:
    student = network()
    follower, statue = EMATeacher(student, 0.0), EMATeacher(student, 1.0, warmup=False)
    start = weights(student)
    move(student)
    follower.update(student, 1)
    statue.update(student, 1)
    assert torch.equal(weights(follower.network), weights(student))
    assert torch.equal(weights(statue.network), start)


def test_a_teacher_with_buffers_of_its_own_gets_none_of_the_students() -> None:
    student = network()
    teacher = EMATeacher(student, 0.9, buffers="own")
    student(torch.randn(8, 3) + 5)
    teacher.update(student, 1)
    norm = teacher.network[1]
    assert torch.equal(norm.running_mean, torch.zeros(4))
    teacher.train()(torch.randn(8, 3) + 5)
    assert norm.num_batches_tracked == 1
    assert norm.running_mean.abs().sum() > 0


def test_a_teacher_with_copied_buffers_has_the_students_exactly() -> None:
    student = network()
    teacher = EMATeacher(student, 0.9, buffers="copy")
    student(torch.randn(8, 3) + 5)
    teacher.update(student, 1)
    for mine, theirs in zip(teacher.network.buffers(), student.buffers(), strict=True):
        assert torch.equal(mine, theirs)
        assert mine.data_ptr() != theirs.data_ptr()


@pytest.mark.parametrize("buffers", ["own", "copy"])
def test_an_update_that_is_not_allowed_changes_nothing(buffers: BufferSource) -> None:
    student = network()
    teacher = EMATeacher(student, 0.9, buffers=buffers)
    before = state(teacher)
    student(torch.randn(8, 3) + 5)
    move(student)
    teacher.update(student, 1, allowed=torch.tensor(False))
    after = state(teacher)
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("buffers", ["own", "copy"])
def test_an_update_that_is_allowed_is_an_ordinary_one(buffers: BufferSource) -> None:
    student = network()
    asked, plain = (EMATeacher(student, 0.9, buffers=buffers) for _ in range(2))
    student(torch.randn(8, 3) + 5)
    move(student)
    asked.update(student, 3, allowed=torch.tensor(True))
    plain.update(student, 3)
    torch.testing.assert_close(state(asked), state(plain))


def test_an_update_leaves_the_student_alone_and_needs_no_gradient() -> None:
    student = network()
    teacher = EMATeacher(student, 0.9, buffers="copy")
    student(torch.randn(8, 3)).sum().backward()
    before, gradients = state(student), [copy.deepcopy(value.grad) for value in student.parameters()]
    teacher.update(student, 1)
    torch.testing.assert_close(state(student), before, rtol=0, atol=0)
    torch.testing.assert_close([value.grad for value in student.parameters()], gradients, rtol=0, atol=0)
    assert all(value.grad is None for value in teacher.parameters())


def test_the_teachers_logits_carry_no_gradient() -> None:
    teacher = EMATeacher(network(), 0.9)
    assert not teacher(torch.randn(8, 3, requires_grad=True)).requires_grad


def test_the_state_of_a_teacher_survives_a_round_trip() -> None:
    student = network()
    teacher = EMATeacher(student, 0.9)
    follow(teacher, student, 5)
    other = EMATeacher(network(seed=1), 0.9)
    other.load_state_dict(teacher.state_dict())
    torch.testing.assert_close(state(other), state(teacher), rtol=0, atol=0)


@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan")])
def test_a_decay_outside_0_to_1_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=r"decay must be in \[0, 1\]"):
        EMATeacher(network(), decay)


@pytest.mark.slow
def test_an_update_costs_less_than_a_hundredth_of_a_step_of_wrn_28_2() -> None:
    torch.manual_seed(0)
    student = build_network(NetworkConfig(name="wrn-28-2"), num_classes=10, channels=3, image_size=32)
    teacher = EMATeacher(student, 0.999, buffers="copy")
    optimizer = torch.optim.SGD(student.parameters(), 0.03, momentum=0.9, nesterov=True)
    images, label = torch.randn(64, 3, 32, 32), torch.arange(64) % 10

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(student(images), label).backward()
        optimizer.step()

    def median_seconds(function: Callable[[], None], times: int) -> float:
        seconds = []
        for _ in range(times):
            start = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds)

    assert median_seconds(lambda: teacher.update(student, 1), 50) < 0.01 * median_seconds(step, 5)


@pytest.mark.parametrize("steps", [13, 50, 100, 600, 3000, 11_999])
def test_without_a_decay_the_average_covers_a_twelfth_of_the_steps(steps: int) -> None:
    assert 1.0 / (1.0 - decay_for(steps)) == pytest.approx(steps / 12, rel=1e-2)
    first_steps_left = decay_for(steps) ** (steps - steps // 4)
    assert first_steps_left < 1e-3


def test_a_decay_from_the_steps_is_at_most_the_published_one_and_at_least_none() -> None:
    assert [decay_for(steps) for steps in (12_000, 2**20)] == [SLOWEST, SLOWEST]
    assert decay_for(6000, slowest=0.99) == 0.99
    assert [decay_for(steps) for steps in (0, 1, 12)] == [0.0, 0.0, 0.0]
    assert decay_for(600) == 0.98


def test_a_teacher_without_a_decay_has_the_published_one() -> None:
    assert EMATeacher(network(), None).decay == SLOWEST
