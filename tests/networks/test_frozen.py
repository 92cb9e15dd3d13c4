"""The transform of the features of a frozen network, and the head on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tutelage.networks import feature_transform
from tutelage.networks.feature_transform import FeatureTransform
from tutelage.networks.frozen import FeatureHead


def features(rows: int, width: int = 12) -> Tensor:
    """Features with a long tail, some of them negative, of two groups."""
    draw = np.random.default_rng(0)
    scale = np.geomspace(1.0, 0.05, width)
    values = draw.exponential(2.0, (rows, width)) * scale - 0.1
    values[::2, 0] += 3.0
    return torch.from_numpy(values.astype(np.float32))


def naive(train: np.ndarray, rows: np.ndarray, dims: int) -> np.ndarray:
    """Signed square root, centering, principal components by SVD, norm sqrt(dims)."""
    rooted, own = (np.sign(values) * np.sqrt(np.abs(values)) for values in (train, rows))
    center = rooted.mean(0)
    _, _, axes = np.linalg.svd(rooted - center)
    projected = (own - center) @ axes[:dims].T
    return projected / np.linalg.norm(projected, axis=1, keepdims=True) * np.sqrt(dims)


@pytest.mark.parametrize("dims", [2, 5, 12])
def test_it_is_that_of_the_formula_up_to_the_signs_of_the_components(dims: int) -> None:
    train, rows = features(60), features(60)[40:] * 0.7
    found = FeatureTransform.fit(train, dims)(rows).double().numpy()
    expected = naive(train.double().numpy(), rows.double().numpy(), dims)
    signs = np.sign((found * expected).sum(0))
    np.testing.assert_allclose(found, expected * signs, atol=2e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), np.sqrt(dims), rtol=1e-5)


def test_it_is_the_same_each_time_and_its_signs_do_not_depend_on_the_order_of_rows() -> None:
    train = features(60)
    one, other = FeatureTransform.fit(train, 5), FeatureTransform.fit(train.clone(), 5)
    assert torch.equal(one.components, other.components) and torch.equal(one.center, other.center)
    turned = FeatureTransform.fit(train.flip(0), 5)
    torch.testing.assert_close(turned.components, one.components, rtol=1e-4, atol=1e-5)


def test_its_gradient_is_finite_where_features_are_zero_and_that_of_the_root_elsewhere() -> None:
    transform = FeatureTransform.fit(features(60), 5)
    rows = features(8).clone()
    rows[:, 2] = 0.0
    rows.requires_grad_(True)
    torch.testing.assert_close(transform(rows), transform(rows.detach()))
    transform(rows).square()[:, 0].sum().backward()
    assert rows.grad is not None and torch.isfinite(rows.grad).all() and rows.grad[:, 2].any()
    exact = rows.detach().double().requires_grad_(True)
    double = FeatureTransform(12, 5).double()
    double.load_state_dict(transform.state_dict())
    rooted = (exact.sign() * exact.abs().sqrt() - double.center) @ double.components
    (torch.nn.functional.normalize(rooted, dim=1) * 5**0.5).square()[:, 0].sum().backward()
    large = (rows.detach().abs() > 0.5) & (exact.grad.abs() > 0.01)
    assert large.sum() > 20
    torch.testing.assert_close(rows.grad[large], exact.grad.float()[large], rtol=0.05, atol=0.0)


def test_it_has_no_more_components_than_rows_and_features_allow() -> None:
    assert FeatureTransform.fit(features(60), 256).dims == 12
    assert FeatureTransform.fit(features(5), 256).dims == 4
    assert FeatureTransform.fit(features(1), 256).dims == 2  # a head needs some


def test_a_few_rows_of_many_features_some_of_them_always_zero_are_enough() -> None:
    for seed in range(3):
        rows = torch.randn(12, 1280, generator=torch.Generator().manual_seed(seed)).clamp_min(0.0)
        rows[:, ::7] = 0.0
        rows[1] = rows[0]
        found = FeatureTransform.fit(rows, 256)
        assert found.dims == 11
        assert torch.isfinite(found(rows)).all()
        torch.testing.assert_close(found(rows)[1], found(rows)[0])


def test_above_some_rows_evenly_spaced_ones_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_transform, "_MOST_ROWS", 20)
    train = features(58)
    evenly = FeatureTransform.fit(train[::3], 5)
    assert torch.equal(FeatureTransform.fit(train, 5).components, evenly.components)


def test_its_state_dict_holds_all_of_it() -> None:
    fitted = FeatureTransform.fit(features(60), 5)
    again = FeatureTransform(12, 5)
    again.load_state_dict(fitted.state_dict())
    assert torch.equal(again(features(60)), fitted(features(60)))


def test_a_head_starts_where_all_classes_are_equally_likely() -> None:
    assert not FeatureHead(4, 3)(torch.randn(5, 4)).any()


def test_a_head_started_at_labeled_features_tells_them_apart_and_its_gradient_there_is_zero() -> None:
    torch.manual_seed(0)
    rows, label = torch.randn(30, 4), torch.arange(30) % 3
    rows[:, 0] += label
    head = FeatureHead(4, 3)
    head.start_at(rows, label, l2=0.1)
    loss = torch.nn.functional.cross_entropy(head(rows), label) + 0.05 * head.head.weight.square().sum()
    loss.backward()
    assert float(loss.detach()) < np.log(3)
    assert float(head.head.weight.grad.abs().max()) < 1e-4 and float(head.head.bias.grad.abs().max()) < 1e-4
