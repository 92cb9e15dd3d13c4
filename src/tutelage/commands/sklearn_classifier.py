"""A classifier of images with scikit-learn's conventions, which trains by `tutelage.train`."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from tutelage.commands.api import train
from tutelage.commands.run import Run
from tutelage.commands.sklearn_images import GivenImages, GivenPaths, GivenPixels, images_of
from tutelage.commands.sklearn_labels import UNLABELED, names_of, targets_of
from tutelage.core.errors import ConfigError, Interrupted
from tutelage.core.names import shown
from tutelage.inference.export.pickled import config_of, model_bytes, model_of
from tutelage.inference.images.model import Model
from tutelage.methods.base import Method
from tutelage.networks.base import Network

_FLAGS = (
    *("method", "network", "steps", "budget", "image_size", "resize", "channels", "batch_size", "unlabeled_ratio"),
    *("exclude_labeled", "skip_unreadable", "init_from", "device", "precision", "workers"),
)
_SIGINT = 130  # exit code


class TutelageClassifier(ClassifierMixin, BaseEstimator):
    """A classifier of images, trained on the labels that are known, and on the unlabeled images beside them.

    Everything of scikit-learn that takes a classifier takes it: `clone`, `Pipeline`, `cross_val_score`,
    `GridSearchCV`, pickle. `fit` calls `tutelage.train`.

    Args:
        method: name of a method, or your own class; None chooses for the data and the machine.
        preset: name of a preset to start from; `"none"` starts from the defaults.
        budget: time for `fit`, such as `"90s"` or `"15m"`. Give this or `steps`.
        steps: optimizer steps, instead of a time.
        settings: further settings by dotted name, e.g. `{"method.ema_decay": 0.99}`.
        image_shape: (H, W), (H, W, C) or (C, H, W), if X has one image per row, as `sklearn.datasets` gives them.
        random_state: seed of all random choices. None is seed 0, so that `fit` always gives the same model.
        out: run folder to create, which is kept. None trains in a temporary folder, removed with the estimator.
        verbose: whether `fit` prints what `tutelage train` prints.
        network, image_size, resize, channels, batch_size, unlabeled_ratio, exclude_labeled, skip_unreadable,
            init_from, device, precision, workers: as in `tutelage.train`; None leaves them to it.

    Attributes:
        classes_: (K,) the labels in y without -1, sorted, in the order of the columns of `predict_proba`.
        model_: the trained `Model`.
        run_: the `Run`; None of an estimator that was pickled or copied after `fit`.
        n_features_in_: pixels of a row, if X has one image per row.
    """

    def __init__(
        self,
        method: str | type[Method] | None = None,
        *,
        budget: str | None = None,
        steps: int | None = None,
        preset: str | None = None,
        network: str | type[Network] | None = None,
        image_size: int | None = None,
        image_shape: tuple[int, ...] | None = None,
        resize: str | None = None,
        channels: int | None = None,
        batch_size: int | None = None,
        unlabeled_ratio: float | None = None,
        exclude_labeled: bool | None = None,
        skip_unreadable: bool | None = None,
        init_from: str | Path | None = None,
        device: str | None = None,
        precision: str | None = None,
        workers: int | None = None,
        settings: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
        out: str | Path | None = None,
        verbose: bool = False,
    ) -> None:
        self.method = method
        self.budget = budget
        self.steps = steps
        self.preset = preset
        self.network = network
        self.image_size = image_size
        self.image_shape = image_shape
        self.resize = resize
        self.channels = channels
        self.batch_size = batch_size
        self.unlabeled_ratio = unlabeled_ratio
        self.exclude_labeled = exclude_labeled
        self.skip_unreadable = skip_unreadable
        self.init_from = init_from
        self.device = device
        self.precision = precision
        self.workers = workers
        self.settings = settings
        self.random_state = random_state
        self.out = out
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> TutelageClassifier:
        """This estimator, trained.

        Args:
            X: images (N, H, W), (N, H, W, C) or (N, C, H, W), uint8 in [0, 255] or floating point in [0, 1]; with
                `image_shape`, (N, F) of the same values; or a list, array or Series of N paths of image files.
            y: (N,) labels of any type, with -1 for unlabeled. Text beside -1 is an array of objects or a list, as in
                `sklearn.semi_supervised`.

        Raises:
            ValueError: X or y has another shape, type or range, or y has fewer than two classes.
            TutelageError: a setting is wrong, or images cannot be read.
            KeyboardInterrupt: it was interrupted.
        """
        images = self._images(X, reset=True)
        targets = targets_of(y, len(images))
        classes = targets.classes()
        codes = np.full(len(images), UNLABELED, np.int64)
        codes[targets.known] = np.searchsorted(classes, targets.values[targets.known])
        folder = Path(tempfile.mkdtemp(prefix="tutelage-"))
        removal = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        try:
            run, model = self._train(folder, images, codes, names_of(classes))
        except Interrupted as stopped:  # no failure of this fit, after which a search would go on with the next
            removal()
            raise KeyboardInterrupt if stopped.exit_code == _SIGINT else SystemExit(stopped.exit_code) from None
        except BaseException:
            removal()
            raise
        self._forget()
        self.classes_, self.run_, self.model_, self._removal = classes, run, model, removal
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(N, K) probabilities that sum to 1 over the classes, in the order of `classes_`.

        Args:
            X: images as in `fit`, of any size.

        Raises:
            ValueError: X has another shape, type or range, or an image cannot be read.
        """
        check_is_fitted(self)
        images = self._images(X, reset=False)
        found = self.model_.predict(images.one_by_one(), workers=2 if self.workers is None else self.workers)
        faults = [f"{shown(name)}: {why}" for name, why in zip(found.names, found.errors, strict=True) if why]
        if faults:
            raise ValueError(f"{len(faults)} of {len(found)} images cannot be read; the first is {faults[0]}")
        columns = [self.model_.classes.index(name) for name in names_of(self.classes_)]
        probs = found.probabilities[:, columns].astype(np.float64)
        normalized: NDArray[np.float64] = probs / probs.sum(1, keepdims=True)
        return normalized

    def predict(self, X: Any) -> NDArray[Any]:
        """(N,) the most probable label of each image; see `predict_proba`."""
        best = self.predict_proba(X).argmax(1)
        labels: NDArray[Any] = self.classes_[best]
        return labels

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy in [0, 1] on the images whose label in y is known; those with -1 are left out.

        Raises:
            ValueError: no label is known; or as in `predict_proba`.
        """
        check_is_fitted(self)
        images = self._images(X, reset=False)
        targets = targets_of(y, len(images))
        rows = np.flatnonzero(targets.known)
        if not len(rows):
            raise ValueError("y has no label to score on: all are -1")
        weights = None if sample_weight is None else np.asarray(sample_weight)[rows]
        right = self.predict(images.chosen(rows)) == targets.values[rows]
        return float(np.average(right, weights=weights))

    def _train(
        self, folder: Path, images: GivenImages, codes: NDArray[np.int64], names: tuple[str, ...]
    ) -> tuple[Run, Model]:
        data, table = images.write(folder, codes, names)
        flags = {name: getattr(self, name) for name in _FLAGS if getattr(self, name) is not None}
        flags |= {} if self.random_state is None else {"seed": _seed(self.random_state)}
        flags |= {} if table is None else {"labels": table}
        out = folder / "run" if self.out is None else self.out
        run = train(data, out=out, preset=self.preset, settings=self.settings, quiet=not self.verbose, **flags)
        model = run.model(device=self.device or "auto")
        if not isinstance(model, Model):
            raise ConfigError("TutelageClassifier classifies images; the run is on scans")
        return run, model

    def _images(self, X: Any, *, reset: bool) -> GivenImages:
        if isinstance(X, GivenPixels | GivenPaths):
            return X
        return images_of(self, X, self.image_shape, reset=reset)

    def _forget(self) -> None:
        """Remove the folder of an earlier `fit`."""
        removal = self.__dict__.pop("_removal", None)
        if removal is not None:
            removal()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self.image_shape is not None
        tags.input_tags.three_d_array = self.image_shape is None
        tags.input_tags.string = True
        tags.input_tags.positive_only = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_removal", None)
        if "model_" in state:
            config = self._config if self.run_ is None else config_of(self.run_.path, self.model_)
            state |= {"model_": model_bytes(self.model_, config), "run_": None, "_config": config}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        held = dict(state)
        if "model_" in held:
            held["model_"] = model_of(held["model_"], device=held["device"] or "auto")
        super().__setstate__(held)


def _seed(random_state: int | np.random.RandomState) -> int:
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
