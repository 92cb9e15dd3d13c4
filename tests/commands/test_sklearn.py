"""`TutelageClassifier`: what it learns, takes and refuses, and that tools of scikit-learn can use it."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from tutelage import ConfigError, Interrupted, TutelageClassifier
from tutelage.commands import sklearn_classifier
from tutelage.commands.sklearn_images import as_bytes, images_of
from tutelage.commands.sklearn_labels import names_of, targets_of

QUICK: dict[str, Any] = {"method": "supervised", "preset": "none", "network": "small", "batch_size": 8, "device": "cpu"}


def quick(**more: Any) -> TutelageClassifier:
    """An estimator that learns to tell dark from bright in about a second."""
    settings = {"network.width": 4, "optimizer.lr": 0.1}
    return TutelageClassifier(**{"steps": 15, "settings": settings, **QUICK, **more})


def shades(count: int = 24, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Dark and bright images (N, 8, 8) in [0, 1], and which are bright."""
    bright = np.arange(count) % 2
    noise = np.random.default_rng(seed).random((count, 8, 8))
    return 0.2 * noise + 0.7 * bright[:, None, None], bright


def words(labels: np.ndarray, unlabeled: Sequence[int] = ()) -> np.ndarray:
    """The labels as text, as an array of objects, with -1 at some places."""
    text = np.array(["dark", "bright"], dtype=object)[labels]
    text[list(unlabeled)] = -1
    return text


@pytest.fixture(scope="module")
def fitted() -> TutelageClassifier:
    images, bright = shades()
    return quick().fit(images, words(bright, unlabeled=range(12, 20)))


@pytest.mark.long
def test_labels_are_answered_in_the_type_they_came_in(fitted: TutelageClassifier) -> None:
    images, bright = shades(seed=1)
    assert fitted.classes_.tolist() == ["bright", "dark"]
    assert fitted.predict(images).tolist() == words(bright).tolist()
    probs = fitted.predict_proba(images)
    assert probs.shape == (24, 2) and np.allclose(probs.sum(1), 1)
    assert (fitted.classes_[probs.argmax(1)] == words(bright)).all()


@pytest.mark.long
def test_images_whose_label_is_unknown_are_not_scored(fitted: TutelageClassifier) -> None:
    images, bright = shades(seed=1)
    wrong = words(1 - bright)
    wrong[:20] = words(bright)[:20]
    assert fitted.score(images, wrong) == pytest.approx(20 / 24)
    wrong[20:] = -1
    assert fitted.score(images, wrong) == 1.0
    with pytest.raises(ValueError, match="all are -1"):
        fitted.score(images, np.full(24, -1))


@pytest.mark.long
def test_a_pickled_estimator_predicts_the_same_without_its_run_folder(fitted: TutelageClassifier) -> None:
    images, _ = shades(seed=1)
    copy = pickle.loads(pickle.dumps(fitted))
    again = pickle.loads(pickle.dumps(copy))
    assert copy.run_ is None
    assert np.array_equal(copy.predict_proba(images), fitted.predict_proba(images))
    assert np.array_equal(again.predict_proba(images), fitted.predict_proba(images))


@pytest.mark.long
def test_the_temporary_run_goes_with_the_estimator_and_a_named_one_stays(tmp_path: Path) -> None:
    images, bright = shades()
    model = quick().fit(images, bright)
    assert model.run_ is not None
    first = model.run_.path
    model.fit(images, bright)
    second = model.run_.path
    assert not first.parent.exists() and second.is_dir()
    del model
    assert not second.parent.exists()
    kept = quick(out=tmp_path / "run").fit(images, bright)
    assert kept.run_ is not None and kept.run_.path == tmp_path / "run"
    del kept
    assert (tmp_path / "run" / "result.json").is_file()


@pytest.mark.long
def test_a_failed_fit_leaves_the_model_before_as_it_was(fitted: TutelageClassifier) -> None:
    images, bright = shades(seed=1)
    copy = pickle.loads(pickle.dumps(fitted)).set_params(method="no-such-method")
    with pytest.raises(ConfigError, match="no-such-method"):
        copy.fit(images, bright)
    assert copy.predict(images).tolist() == words(bright).tolist()


@pytest.mark.long
def test_files_are_trained_on_and_predicted_by_their_paths(tmp_path: Path) -> None:
    images, bright = shades()
    paths = []
    for number, image in enumerate(as_bytes(images)):
        folder = tmp_path / f"part {number % 3}"
        folder.mkdir(exist_ok=True)
        paths.append(folder / "same name.png" if number < 3 else folder / f"{number}.png")
        Image.fromarray(image).save(paths[-1])
    model = quick().fit(paths, words(bright, unlabeled=range(12, 20)))
    assert model.predict(list(map(str, paths))).tolist() == words(bright).tolist()
    assert np.allclose(model.predict_proba(paths), model.predict_proba(as_bytes(images)))
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"1 of 2 images cannot be read; the first is .*bad\.png"):
        model.predict([paths[0], tmp_path / "bad.png"])
    with pytest.raises(ValueError, match=r"1 files that do not exist; the first is .*gone\.png"):
        model.predict([paths[0], tmp_path / "gone.png"])


@pytest.mark.long
def test_search_cross_validation_and_pipelines_train_it() -> None:
    images, bright = shades(48)
    scores = cross_val_score(quick(), images, bright, cv=2)
    assert scores.min() > 0.9
    some = np.where(np.arange(48) < 30, bright, -1)  # scikit-learn cannot sort text beside -1 into folds
    search = GridSearchCV(quick(), {"steps": [1, 15], "settings": [{"network.width": 4, "optimizer.lr": 0.1}]}, cv=2)
    search.fit(images, some)
    assert search.best_params_["steps"] == 15 and search.best_score_ > 0.9
    pipe = Pipeline([("scale", FunctionTransformer(lambda pixels: pixels / 16)), ("model", quick())])
    assert pipe.fit(images * 16, bright).score(images * 16, bright) > 0.9


@pytest.mark.long
def test_rows_of_pixels_are_images_of_the_given_shape() -> None:
    digits = load_digits(n_class=2)
    rows = digits.data / 16
    model = quick(image_shape=(8, 8), steps=30).fit(rows, digits.target)
    assert model.n_features_in_ == 64
    assert model.score(rows, digits.target) > 0.9
    assert np.allclose(model.predict_proba(rows[:9]), model.predict_proba(rows)[:9], atol=1e-6)
    with pytest.raises(ValueError, match="63 features"):
        model.predict(rows[:, :63])


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_an_interrupted_fit_ends_the_search_and_is_no_failed_fit(
    number: int, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: Any, **settings: Any) -> None:
        raise Interrupted("stopped", number)

    monkeypatch.setattr(sklearn_classifier, "train", interrupted)
    images, bright = shades()
    with pytest.raises(error):
        cross_val_score(quick(), images, bright, cv=2)


def test_parameters_are_set_read_and_cloned() -> None:
    model = quick(random_state=3)
    assert model.get_params()["random_state"] == 3
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(steps=7).steps == 7
    assert repr(TutelageClassifier(method="fixmatch", budget="2m")) == (
        "TutelageClassifier(budget='2m', method='fixmatch')"
    )
    with pytest.raises(NotFittedError):
        model.predict(shades()[0])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "target y is None"),
        (["a", "b", "-1"], "dtype=object"),
        (np.array(["a", "-1", "b"]), "dtype=object"),
        ([0, 1], "inconsistent numbers of samples"),
        ([0, 0, -1], "y has 1 class, not counting -1"),
        ([-1, -1, -1], "y has 0 class"),
        ([0.0, 1.0, np.nan], "NaN"),
        ([0.5, 1.2, 0.1], "continuous"),
        (np.array([3, (2,), 1], dtype=object), "different types|Unknown label type"),
    ],
)
def test_labels_that_cannot_be_learned_from_are_refused(labels: Any, message: str) -> None:
    if labels is not None and isinstance(labels, list) and isinstance(labels[0], str):
        labels = np.array(labels)
    with pytest.raises(ValueError, match=message):
        targets_of(labels, 3).classes()


def test_minus_one_is_unlabeled_beside_text_numbers_and_not_among_truths() -> None:
    assert targets_of(["cat", -1, "dog"], 3).known.tolist() == [True, False, True]
    assert targets_of([2, -1, 7], 3).classes().tolist() == [2, 7]
    assert targets_of(np.array([True, False, True]), 3).known.all()


def test_class_names_are_the_labels_unless_those_cannot_be_names() -> None:
    assert names_of(np.array([3, 7])) == ("3", "7")
    assert names_of(np.array(["=1+1", "dog"])) == ("class 0", "class 1")
    assert names_of(np.array(["Dog", "dog"])) == ("class 0", "class 1")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((3, 64)), "image_shape"),
        (np.zeros((2, 3, 8, 8, 3)), r"shape \(2, 3, 8, 8, 3\)"),
        (np.full((2, 8, 8), 17.0), r"from 17 to 17: floating point must be in \[0, 1\]"),
        (np.full((2, 8, 8), -3), r"integers must be in \[0, 255\]"),
        (np.full((2, 8, 8), np.nan), "NaN"),
        (np.zeros((2, 8, 8), complex), "Complex"),
        ("photos/", "X is one path"),
        ([], "Found array with 0 sample|Expected|shape"),
    ],
)
def test_arrays_that_are_no_images_are_refused(images: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        images_of(TutelageClassifier(), images, None, reset=True)


def test_whole_numbers_and_truths_are_pixels() -> None:
    assert as_bytes(np.array([0, 255], np.int64)).tolist() == [0, 255]
    assert as_bytes(np.array([True, False])).tolist() == [255, 0]
    assert as_bytes(np.array([0.0, 0.5, 1.0])).tolist() == [0, 128, 255]


@pytest.mark.long
def test_the_package_is_imported_without_scikit_learn() -> None:
    code = "import sys, tutelage; assert 'sklearn' not in sys.modules and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
