"""What the Python API is handed that is no path, no image and no mapping: an error of the package, before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import tutelage

NUL = "a\0b"
ONE = {"methods": ["supervised"], "label_counts": [4]}
WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "NUL in out": (lambda: tutelage.train("digits", out=NUL), "out must not have a null character"),
    "out of a number": (lambda: tutelage.train("digits", out=5), "out must be a path, got 5"),
    "NUL in data": (lambda: tutelage.train(NUL, out="r"), "must not have a null character"),
    "NUL in labels": (lambda: tutelage.train("digits", labels=NUL, out="r"), "must not have a null character"),
    "NUL in resume": (lambda: tutelage.train(resume=NUL), "resume must not have a null character"),
    "settings file": (lambda: tutelage.train("digits", out="r", config_file=5), "config_file must be a path, got 5"),
    "preset": (lambda: tutelage.train("digits", out="r", preset=5), "preset must be a name, got 5"),
    "list of settings": (lambda: tutelage.train("digits", out="r", settings=[1]), "settings must be a mapping"),
    "text as settings": (lambda: tutelage.train("digits", out="r", settings="a"), "settings must be a mapping"),
    "number as name": (lambda: tutelage.train("digits", out="r", settings={1: 2}), "settings must have dotted names"),
    "long number": (
        lambda: tutelage.train("digits", out="r", settings={"train.steps": 10**5000}),
        "train.steps has a number of more than 4,300 digits",
    ),
    "pretrain": (lambda: tutelage.pretrain("digits", out=5), "out must be a path, got 5"),
    "compare": (lambda: tutelage.compare("digits", **ONE, out=5), "out must be a path, got 5"),
    "compare, settings": (lambda: tutelage.compare("digits", **ONE, out="c", settings=[1]), "must be a mapping"),
    "load of None": (lambda: tutelage.load(None), "run must be a path or a run, got None"),
    "NUL in load": (lambda: tutelage.load("a\0"), "run must not have a null character"),
    "report": (lambda: tutelage.report([5], out="r.html"), "a run must be a path, got 5"),
    "export": (lambda: tutelage.export(None, format="hf", out="h"), "run must be a path or a run, got None"),
    "score": (lambda: tutelage.score(None, None), "predicted must be a path, got None"),
    "NUL in score": (lambda: tutelage.score(NUL, "b"), "predicted must not have a null character"),
    "count of text": (lambda: tutelage.select("digits", count="x"), "count must be a whole number, got 'x'"),
    "broken count": (lambda: tutelage.select("digits", count=1.5), "count must be a whole number, got 1.5"),
    "NUL in select": (lambda: tutelage.select(NUL, count=2), "must not have a null character"),
    "NUL in check": (lambda: tutelage.check(NUL), "must not have a null character"),
    "NUL in clean": (lambda: tutelage.clean(NUL), "must not have a null character"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_argument_is_an_error_of_the_package(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    call, message = WRONG[what]
    with pytest.raises(tutelage.TutelageError) as raised:
        call()
    assert message in str(raised.value)
    assert not any(tmp_path.iterdir())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    settings = {"train.steps": 1, "train.batch_size": 2, "data.label_count": 40, "train.workers": 0}
    run = tutelage.train("digits", out=tmp_path_factory.mktemp("run") / "run", settings=settings, device="cpu")
    return tutelage.load(run, device="cpu")


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0)])
def test_an_image_without_pixels_is_told_from_one_that_can_be_read(shape: tuple[int, int], model: Any) -> None:
    image = Image.new("RGB", shape)
    fault = f"has no pixels: its size is {shape[0]} x {shape[1]}"
    assert fault in repr(model.predict([image, np.zeros((8, 8), np.uint8)]))
    with pytest.raises(tutelage.TutelageError, match=fault):
        model.embed(image)


@pytest.mark.parametrize("use", ["predict", "embed"])
def test_a_path_with_a_null_character_is_refused(use: str, model: Any) -> None:
    for given in (NUL, [NUL], np.array([NUL])):
        with pytest.raises(tutelage.TutelageError, match="must not have a null character"):
            getattr(model, use)(given)


def test_a_data_frame_is_taken_as_its_column_of_paths(model: Any, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("L", (8, 8)).save(tmp_path / name)
    paths = [str(tmp_path / name) for name in ("b.png", "a.png")]
    frame = pd.DataFrame({"label": ["x", "y"], "path": paths}, index=[7, 3])
    assert list(model.embed(frame)["path"]) == paths
    assert [one.name for one in model.predict(frame)] == paths
    with pytest.raises(tutelage.DataError, match="must have a column path with the paths, got the columns label"):
        model.predict(frame[["label"]])
