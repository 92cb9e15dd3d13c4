"""What a model predicts in Python: the same for a file, an image and an array, as a table and in short."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tutelage
from tutelage.cli import entry
from tutelage.inference.images.prediction import Predictions


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, draw = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name in ("cat", "dog"):
        (root / name).mkdir()
        for number in range(4):
            Image.fromarray(draw.integers(0, 256, (10, 12, 3), np.uint8)).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tutelage.Run:
    out = tmp_path_factory.mktemp("run") / "a"
    return tutelage.train(
        photos, out=out, method="supervised", preset="none", network="wrn-10-1", steps=2, batch_size=4, device="cpu"
    )


@pytest.fixture(scope="module")
def model(run: tutelage.Run) -> tutelage.Model:
    made = tutelage.load(run.path, device="cpu")
    assert isinstance(made, tutelage.Model)
    return made


def test_every_form_of_an_image_has_the_same_probabilities(model: tutelage.Model, photos: Path) -> None:
    files = [photos / "cat" / "1.png", photos / "dog" / "2.png"]
    expected = model.predict(files).probabilities
    assert expected.shape == (2, 2) and expected.dtype == np.float32
    images = [Image.open(file) for file in files]
    arrays = np.stack([np.asarray(image) for image in images])
    tensor = torch.from_numpy(arrays).permute(0, 3, 1, 2).float() / 255
    for same in (images, arrays, list(arrays), tensor, tensor.numpy(), [str(file) for file in files]):
        np.testing.assert_array_equal(model.predict(same).probabilities, expected)
    whole = model.predict(photos)
    assert whole.names[1] == "cat/1.png"
    np.testing.assert_allclose(whole.probabilities[1], expected[0], atol=1e-6)


def test_the_table_is_that_of_the_command_line(
    run: tutelage.Run, model: tutelage.Model, photos: Path, tmp_path: Path
) -> None:
    import pandas as pd

    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "broken.png").write_bytes(b"no image")
    Image.open(photos / "dog" / "0.png").save(extra / "good.png")
    out = tmp_path / "predictions.csv"
    assert entry.run(["predict", str(run.path), str(extra), "--out", str(out)]) == 1
    mine, theirs = model.predict(extra), pd.read_csv(out)
    frame = mine.to_frame()
    assert list(frame.columns) == list(theirs.columns)
    np.testing.assert_allclose(frame["p_cat"], theirs["p_cat"], atol=1e-6)
    assert mine.labels[0] is None and np.isnan(mine.confidence[0])
    assert "is not a readable image" in mine.errors[0] and mine.errors[1] == ""
    assert frame["label"].tolist()[1] == mine.labels[1] == theirs["label"][1]


def test_predictions_are_shown_in_a_few_lines() -> None:
    probs = np.array([[0.75, 0.25], [np.nan] * 2, *[[0.5, 0.5]] * 5])
    made = Predictions(["a.png", "b.png", *"cdefg"], ("cat", "dog"), probs, ["", "no"] + [""] * 5, [{}] * 7)
    assert repr(made).splitlines() == [
        "Predictions of 7 images, 2 classes",
        *("  a.png: cat, 75.0%", "  b.png: no", "  c: cat, 50.0%", "  d: cat, 50.0%", "  e: cat, 50.0%", "  ..."),
    ]
    assert made[0].name == "a.png" and [one.error for one in made][:2] == ["", "no"] and len(made) == 7
    assert made.labels[:2] == ["cat", None]


def test_a_model_is_shown_in_a_line(model: tutelage.Model) -> None:
    assert repr(model) == "<tutelage.Model: classes cat, dog; RGB images of 10 x 10; step 2; cpu>"


def test_features_of_images_in_memory_are_those_of_their_files(model: tutelage.Model, photos: Path) -> None:
    file = photos / "cat" / "1.png"
    columns = [name for name in model.embed(file).columns if name.startswith("f")]
    np.testing.assert_array_equal(model.embed(file)[columns], model.embed(Image.open(file))[columns])
    with pytest.raises(tutelage.DataError, match=r"labels=\.\.\. is for a folder of images"):
        model.embed([file], labels="labels.csv")
