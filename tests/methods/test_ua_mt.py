"""UA-MT's loss, gradient and schedules against a naive float64 version and the numbers of its code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reference import segmentation as reference
from support.pointwise import PROBLEM, SIDE, TOTAL, K, Pointwise, build, compare, logits_of, sigmoid
from tutelage.config.settings import OptimizerConfig
from tutelage.core.batch import Progress
from tutelage.core.errors import ConfigError
from tutelage.methods.base import Method
from tutelage.methods.ua_mt import UAMT
from tutelage.tasks.segmentation import Segmentation
from tutelage.training.optimizer import build_optimizer


def teacher_logits(method: Method, images: Tensor) -> np.ndarray:
    assert method.teacher is not None
    return method.teacher.network(images).numpy()


def noisy(images: Tensor, deviation: float) -> Tensor:
    return images + (deviation * torch.randn_like(images)).clamp(-2 * deviation, 2 * deviation)


@pytest.mark.parametrize("where", ["unlabeled", "all"])
@pytest.mark.parametrize("step", [0, 3, 9])
def test_consistency_counts_the_voxels_where_the_teacher_is_sure(where: str, step: int) -> None:
    settings = {"consistency_on": where, "passes": 4, "rampup": 0.8, "rampup_stairs": 4, "consistency_weight": 20.0}
    method, batch = build(UAMT, threshold_start=0.5, **settings)
    x, u = batch.labeled, batch.unlabeled
    assert x is not None and u is not None and x.label is not None
    images = u.views[0] if where == "unlabeled" else torch.cat([x.views[0], u.views[0]])
    torch.manual_seed(5)
    target = teacher_logits(method, noisy(images, 0.1))
    pairs = [teacher_logits(method, noisy(torch.cat([images, images]), 0.1)) for _ in range(2)]
    passes = [half for pair in pairs for half in np.split(pair, 2)]
    threshold = (0.5 + 0.5 * sigmoid(step, TOTAL)) * math.log(K)
    entropy = [reference.masked_consistency(target, 1 + target, passes, h) for h in (0.0, threshold, 9.0)]
    assert entropy[0] == 0.0 and (step == 9 or entropy[1] != entropy[2])  # else the mask decides nothing here
    weight = 20.0 * sigmoid([0, 2, 8][[0, 3, 9].index(step)], 8)  # stairs of two steps

    def naive(values: list[np.ndarray]) -> float:
        supervised = reference.supervised(logits_of(x.views[0], *values), x.label.numpy())
        student = logits_of(images, *values)
        return float(supervised + weight * reference.masked_consistency(student, target, passes, threshold))

    compare(method, batch, step, naive)


def test_the_schedules_are_those_of_its_code() -> None:
    method, _ = build(UAMT)
    weights = {step: method.consistency_weight(Progress(step, 6000)) for step in (0, 149, 150, 3000, 5999)}
    expected = {0: 6.7379e-4, 149: 6.7379e-4, 150: 8.62e-4, 3000: 0.02865, 5999: 0.099688}
    assert weights == pytest.approx(expected, rel=1e-3)
    thresholds = [method.threshold(Progress(step, 6000), 2) for step in (0, 3000, 6000)]
    assert thresholds == pytest.approx([0.5210, 0.5695, 0.6931], abs=1e-4)
    assert method.teacher is not None
    decays = [method.teacher.decay_at(step) for step in (1, 2, 100, 101, 6000)]  # steps count from 1, iterations from 0
    assert decays == pytest.approx([0.0, 0.5, 0.99, 0.99, 0.99])


def test_after_one_step_the_teacher_has_the_students_weights_and_its_own_statistics() -> None:
    torch.manual_seed(0)
    student = Pointwise()
    student.head = nn.Sequential(nn.BatchNorm3d(2), nn.Conv3d(2, K, 1))
    method = UAMT(student, Segmentation("abc", patch_size=SIDE), PROBLEM, UAMT.Config()).train()
    _, batch = build(UAMT)
    for samples in (batch.labeled, batch.unlabeled):
        assert samples is not None
        samples.views = tuple(view.float() for view in samples.views)
    optimizer = build_optimizer(method, OptimizerConfig(lr=0.1))
    method(batch, Progress(0, TOTAL)).loss.backward()
    optimizer.step()
    method.teacher.update(method.student, 1)
    teacher = method.teacher.network
    assert all(torch.equal(a, b) for a, b in zip(teacher.parameters(), student.parameters(), strict=True))
    assert not torch.equal(teacher.get_buffer("head.0.running_mean"), student.get_buffer("head.0.running_mean"))


def test_with_every_voxel_the_cost_is_mean_teachers_cost_and_without_any_it_is_zero() -> None:
    for start, noise in ((1.0, 0.0), (0.0, 0.0)):
        method, batch = build(UAMT, threshold_start=start, teacher_noise=noise)
        assert batch.unlabeled is not None
        out = method(batch, Progress(0 if start == 0.0 else TOTAL, 1000 * TOTAL))
        p = method.student(batch.unlabeled.views[0]).softmax(1)
        q = method.teacher(batch.unlabeled.views[0]).softmax(1)
        if start == 1.0:
            assert float(out.log["mask_rate"]) == 1.0
            assert float(out.log["consistency"]) == pytest.approx(float((p - q).square().mean().detach()), rel=1e-5)
        else:
            assert float(out.log["mask_rate"]) == 0.0 and float(out.log["consistency"]) == 0.0
            assert bool(torch.isfinite(out.loss))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"passes": 3}, "method.passes must be even"),
        ({"passes": 0}, "method.passes must be even"),
        ({"rampup_stairs": 0}, "method.rampup_stairs must be at least 1"),
        ({"threshold_start": 1.5}, r"method.threshold_start must be in \[0, 1\]"),
        ({"teacher_noise": -0.1}, "method.teacher_noise must be at least 0"),
        ({"consistency_weight": -1.0}, "method.consistency_weight must be at least 0"),
        ({"ema_decay": 1.0}, r"method.ema_decay must be in \[0, 1\)"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        UAMT.Config(**settings)
