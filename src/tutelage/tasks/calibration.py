"""Temperature scaling: one number that makes probabilities as sure as they are right (arXiv:1706.04599)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

LogProbs = NDArray[np.float64]

_LEAST, _MOST = 0.1, 10.0


def fit_temperature(log_probs: LogProbs, label: NDArray[np.int64]) -> float:
    """The temperature in [0.1, 10] at which the mean log loss of held-out labels is least.

    Args:
        log_probs: (n, K) log-probabilities of images that the network did not learn the labels of, n > 0.
        label: (n,) their classes.
    """
    rows = np.arange(len(label))

    def loss(log_temperature: float) -> float:
        return float(-tempered(log_probs, float(np.exp(log_temperature)))[rows, label].mean())

    found = minimize_scalar(loss, bounds=(np.log(_LEAST), np.log(_MOST)), method="bounded")
    return float(np.exp(found.x))


def cross_fitted(log_probs: LogProbs, label: NDArray[np.int64], folds: int) -> LogProbs:
    """(n, K) log-probabilities, each row with the temperature of the rows in other folds, so that it can be scored.

    Args:
        log_probs, label: as in `fit_temperature`, in any order.
        folds: at least 2, at most n.
    """
    from sklearn.model_selection import KFold  # takes a second to import

    found = np.empty_like(log_probs)
    for others, own in KFold(folds, shuffle=True, random_state=0).split(log_probs):
        found[own] = tempered(log_probs[own], fit_temperature(log_probs[others], label[others]))
    return found


def tempered(log_probs: LogProbs, temperature: float) -> LogProbs:
    """(n, K) log-probabilities of logits that are divided by `temperature`; above 1 they are less sure."""
    scaled: LogProbs = log_softmax(log_probs / temperature, axis=1)
    return scaled
