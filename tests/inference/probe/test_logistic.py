from __future__ import annotations

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from tutelage.inference.images.probe.logistic import STRENGTHS, fit_logistic  # noqa: E402


def noisy(n: int = 80) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    label = np.arange(n) % 2
    features = 5.0 + 3.0 * draw.normal(size=(n, 6))
    features[:, 0] += 4.0 * label
    return features.astype(np.float32), label


def test_predictions_are_those_of_scikit_learn_at_the_chosen_strength() -> None:
    features, label = noisy()
    fitted = fit_logistic(features, label, seed=0)
    strength = fitted.named_steps["logisticregression"].C
    assert strength in STRENGTHS
    scaler = StandardScaler().fit(features)
    plain = LogisticRegression(C=strength, max_iter=500).fit(scaler.transform(features), label)
    np.testing.assert_allclose(
        fitted.predict_proba(features), plain.predict_proba(scaler.transform(features)), rtol=1e-5
    )


def test_noise_asks_for_a_strong_penalty_and_order_for_a_weak_one() -> None:
    features, label = noisy()
    shuffled = np.random.default_rng(1).permutation(label)
    strong = fit_logistic(features, shuffled, seed=0).named_steps["logisticregression"].C
    clear = features.copy()
    clear[:, 0] += 40.0 * label
    weak = fit_logistic(clear, label, seed=0).named_steps["logisticregression"].C
    assert strong < 0.1 < weak


def test_one_label_a_class_is_enough() -> None:
    fitted = fit_logistic(np.array([[0.0, 1.0], [3.0, -1.0]], np.float32), np.array([0, 1]), seed=0)
    assert fitted.named_steps["logisticregression"].C == 1.0
    assert fitted.predict(np.array([[0.2, 1.0], [2.0, -1.0]])).tolist() == [0, 1]


def test_principal_components_keep_their_relative_variances() -> None:
    draw = np.random.default_rng(3)
    label = np.arange(120) % 2
    features = draw.normal(size=(120, 64)) * np.linspace(1.0, 0.05, 64)
    features[:, 0] += 2.0 * label
    features = (features * 0.01).astype(np.float32)
    few, rest = slice(0, 20), slice(20, 120)

    def right(standardize: bool) -> float:
        model = fit_logistic(features[few], label[few], seed=0, standardize=standardize)
        return float((model.predict(features[rest]) == label[rest]).mean())

    assert right(standardize=False) > right(standardize=True) + 0.05
    # the unit of the features does not matter
    scaled = fit_logistic(features[few] * 1000, label[few], seed=0, standardize=False)
    plain = fit_logistic(features[few], label[few], seed=0, standardize=False)
    assert (scaled.predict(features[rest] * 1000) == plain.predict(features[rest])).all()
