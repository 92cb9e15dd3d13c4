"""Temperature scaling: one number that makes probabilities as sure as they are right (arXiv:1706.04599)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import chi2

LogProbs = NDArray[np.float64]

_LEAST, _MOST = 0.1, 10.0
_USUAL = np.log(2.0) / 1.96  # standard deviation of the logarithm of a temperature
_TOLD = chi2.ppf(0.95, df=1)  # twice the logarithm of a likelihood ratio


def fit_temperature(log_probs: LogProbs, label: NDArray[np.int64]) -> float:
    """The most probable temperature in [0.1, 10], given held-out labels; 1 if they do not tell it from 1.

    Before they are seen, its logarithm is normal around 0, and the temperature between 0.5 and 2 with a probability of
    95%. That matters where there are few mistakes among few labels, of which the least log loss alone, as published,
    makes too much. They tell it from 1 if a likelihood-ratio test does, at 5%; otherwise it might as well do harm.

    Args:
        log_probs: (n, K) log-probabilities of images that the network did not learn the labels of, n > 0.
        label: (n,) their classes.
    """
    rows = np.arange(len(label))

    def likelihood(temperature: float) -> float:
        return float(tempered(log_probs, temperature)[rows, label].sum())

    def loss(log_temperature: float) -> float:
        return float((log_temperature / _USUAL) ** 2 / 2.0 - likelihood(np.exp(log_temperature)))

    found = float(np.exp(minimize_scalar(loss, bounds=(np.log(_LEAST), np.log(_MOST)), method="bounded").x))
    return found if 2.0 * (likelihood(found) - likelihood(1.0)) > _TOLD else 1.0


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
