"""Logistic regression: faster than the linear probe, with cross-validated regularization."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutelage.core.seeding import derived_seed

STRENGTHS = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)  # scikit-learn's C: the inverse weight of the L2 penalty
FOLDS = 5
MOST_TO_CHOOSE = 4000  # labels used to choose C
ITERATIONS = 500


def fit_logistic(
    features: NDArray[np.float32], label: NDArray[np.int64], *, seed: int, standardize: bool = True
) -> Any:
    """A fitted scikit-learn pipeline; its step `logisticregression` has the chosen `C`.

    C minimizes the cross-validated log loss over the given labels, in up to five folds. If a class has only one label,
    there are no folds and C is 1.

    Args:
        features: (N, F).
        label: (N,), at least two different classes.
        seed: of the folds.
        standardize: divide each feature by its standard deviation. False divides all by one number. Principal
            components need it: standardized, those of the smallest variance, which are mostly noise, would count as
            much as those of the largest.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    start = derived_seed(seed, "logistic probe") % 2**32
    spread = 1.0 if standardize else float(np.sqrt(features.var(0).mean())) or 1.0
    scaler = StandardScaler() if standardize else FunctionTransformer(_divided, kw_args={"by": spread})
    model = make_pipeline(scaler, LogisticRegression(max_iter=ITERATIONS))
    rows = np.random.default_rng(start).permutation(len(label))[:MOST_TO_CHOOSE]
    folds = min(FOLDS, int(np.unique(label[rows], return_counts=True)[1].min()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early acts like a smaller C
        if folds >= 2:
            split = StratifiedKFold(folds, shuffle=True, random_state=start)
            search = GridSearchCV(
                model, {"logisticregression__C": STRENGTHS}, scoring="neg_log_loss", cv=split, refit=False
            )
            search.fit(features[rows], label[rows])
            model.set_params(**search.best_params_)
        return model.fit(features, label)


def _divided(features: NDArray[np.float32], by: float) -> NDArray[np.float32]:
    return features / np.float32(by)
