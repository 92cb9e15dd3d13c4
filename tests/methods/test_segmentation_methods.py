"""Methods that also classify images, on a tiny segmentation, against naive float64 versions."""

from __future__ import annotations

import numpy as np
import pytest

from reference import segmentation as reference
from support.pointwise import build, compare, logits_of
from tutelage.core.errors import ConfigError
from tutelage.methods.mean_teacher import MeanTeacher
from tutelage.methods.supervised import Supervised


def test_supervised_is_half_cross_entropy_and_half_dice() -> None:
    method, batch = build(Supervised)
    assert batch.labeled is not None and batch.labeled.label is not None
    x, label = batch.labeled.views[0], batch.labeled.label.numpy()
    compare(method, batch, 3, lambda values: reference.supervised(logits_of(x, *values), label))


def test_supervised_averages_over_the_levels_of_a_network_with_deep_supervision() -> None:
    method, batch = build(Supervised, deep_supervision=True)
    assert batch.labeled is not None and batch.labeled.label is not None
    x, label = batch.labeled.views[0], batch.labeled.label.numpy()

    def naive(values: list[np.ndarray]) -> float:
        return (
            reference.supervised(logits_of(x, *values[:2]), label)
            + reference.supervised(logits_of(x, *values[2:]), label)
        ) / 2

    compare(method, batch, 3, naive)


def test_mean_teacher_compares_the_networks_voxel_by_voxel() -> None:
    method, batch = build(MeanTeacher, consistency_on="unlabeled", consistency_weight=20.0)
    x, u = batch.labeled, batch.unlabeled
    assert x is not None and u is not None and x.label is not None
    target = reference.softmax(method.teacher.network(u.views[1]).numpy())

    def naive(values: list[np.ndarray]) -> float:
        supervised = reference.supervised(logits_of(x.views[0], *values), x.label.numpy())
        distance = (reference.softmax(logits_of(u.views[0], *values)) - target) ** 2
        return float(supervised + 20.0 * 0.75 * distance.mean())

    compare(method, batch, 3, naive)


@pytest.mark.parametrize("setting", ["sntg_weight", "logit_distance_weight"])
def test_mean_teacher_refuses_what_is_for_whole_images(setting: str) -> None:
    with pytest.raises(ConfigError, match=rf"method\.{setting} must be none in segmentation"):
        build(MeanTeacher, **{setting: 0.5})
