"""The probe of a run as a command: what it says, what it rests on, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import tutelage
from tutelage import cli
from tutelage.core.neighbors import knn_scores
from tutelage.inference.images.encoder import Encoder
from tutelage.inference.images.probe.folds import deal


def write_images(root: Path, each: int, seed: int = 0, classes: str = "abc") -> Path:
    """Class folders of 8 x 8 images, slightly brighter by class, in noise."""
    draw = np.random.default_rng(seed)
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for image in range(each):
            pixels = draw.integers(0, 120, (8, 8, 3)) + 4 * number
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{seed}-{image}.png")
    return root


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    write_images(root / "train", 12)
    write_images(root / "test", 6, seed=1)
    return root


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "a"
    settings = {"method.name": "supervised", "train.steps": 3, "train.batch_size": 6, "train.workers": 0}
    return tutelage.train(photos, out=out, settings=settings, device="cpu").path


def probed(run: Path, data: Path, out: Path, *words: str) -> dict[str, Any]:
    usual = ["--device", "cpu", "--out", str(out), "--overwrite", "--seeds", "2"]
    assert cli.run(["probe", str(run), str(data), *usual, *words]) == 0
    numbers: dict[str, Any] = json.loads(out.read_text())
    return numbers


@pytest.mark.long
def test_numbers_are_of_the_frozen_network_and_of_random_weights_beside_it(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = probed(run, photos, tmp_path / "p.json", "--label-counts", "6,all")
    assert (found["labeled_images"], found["test_images"], found["features"]) == (36, 18, 128)
    rows = {(row["encoder"], row["kind"], row["labels"]): row for row in found["rows"]}
    assert set(rows) == {
        (encoder, kind, count)
        for encoder in ("run", "random")
        for kind in ("knn", "linear", "logistic")
        for count in (6, 36)
    }
    assert [len(rows["run", kind, 6]["accuracy"]) for kind in ("knn", "linear", "logistic")] == [2, 2, 2]
    assert [len(rows["run", kind, 36]["accuracy"]) for kind in ("knn", "linear", "logistic")] == [1, 2, 1]
    row = rows["run", "linear", 6]
    assert row["mean"] == pytest.approx(np.mean(row["accuracy"]))
    assert row["std"] == pytest.approx(np.std(row["accuracy"], ddof=1))

    network = tutelage.load(run, device="cpu")
    features, label = [], []
    for part, each in (("train", 12), ("test", 6)):
        files = sorted((photos / part).rglob("*.png"))
        pixels = np.stack([np.asarray(Image.open(file)).transpose(2, 0, 1) for file in files])
        with torch.no_grad():
            features.append(network.network.features(network.normalization(torch.from_numpy(pixels))))  # type: ignore[operator]
        label.append(torch.arange(3).repeat_interleave(each))
    scores = knn_scores(features[1], features[0], label[0], 3)
    expected = float((scores.argmax(1) == label[1]).float().mean())
    assert rows["run", "knn", 36]["accuracy"] == [pytest.approx(expected)]
    said = capsys.readouterr().out
    assert "this encoder" in said and "random weights" in said
    assert "the run (supervised) was itself trained on 36 labels of this data" in said


def test_the_same_command_gives_the_same_numbers(run: Path, photos: Path, tmp_path: Path) -> None:
    words = ["--label-counts", "6", "--kind", "knn,linear"]
    first, again = (probed(run, photos, tmp_path / f"{k}.json", *words) for k in range(2))
    assert first == again
    assert first["rows"][0]["accuracy"] != first["rows"][2]["accuracy"]  # random weights are others


def test_usual_numbers_of_labels_are_those_that_there_are(run: Path, photos: Path, tmp_path: Path) -> None:
    found = probed(run, photos, tmp_path / "p.json", "--kind", "knn", "--no-random")
    assert [(row["encoder"], row["labels"]) for row in found["rows"]] == [("run", 12), ("run", 36)]


@pytest.mark.long
def test_augmentation_changes_what_the_linear_probe_learns_from(run: Path, photos: Path, tmp_path: Path) -> None:
    from tutelage.inference.images.probe import probe as module
    from tutelage.inference.images.probe.data import list_labeled, read_labeled

    encoder = Encoder.load(run, device="cpu")
    parts = list_labeled(str(photos), labels=None, test=None)
    learn = read_labeled(parts.train, parts.classes, [encoder], workers=1, keep_pixels=True)
    view = module._augmented(encoder, learn, flip=True)
    rows = np.arange(4)
    assert torch.equal(view(0, rows, 0), view(0, rows, 0))
    assert not torch.equal(view(0, rows, 0), view(1, rows, 0))
    assert not torch.allclose(view(0, rows, 0), learn.features[0][:4])
    found = probed(run, photos, tmp_path / "p.json", "--augment", "--kind", "linear", "--label-counts", "6")
    assert found["settings"]["augment"] is True


def test_without_test_images_a_fifth_of_the_labels_is_held_out(run: Path, tmp_path: Path) -> None:
    photos = write_images(tmp_path / "photos", 26, seed=5)
    found = probed(run, photos, tmp_path / "p.json", "--kind", "knn", "--label-counts", "6")
    assert (found["labeled_images"], found["test_images"]) == (78 - 15, 15)
    assert "a fifth of the labels is held out" in found["notes"][0]


@pytest.mark.long
@pytest.mark.parametrize("more", [(), ("--augment", "--no-random")])
def test_few_labels_are_scored_by_each_other(
    more: tuple[str, ...], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = write_images(tmp_path / "photos", 4, seed=5)
    (photos / "a" / "5-3.png").unlink()
    found = probed(run, photos, tmp_path / "p.json", *more)
    assert "they are split into 3 folds" in found["notes"][0] and "within about 30 points" in found["notes"][0]
    assert (found["labeled_images"], found["test_images"]) == (11, 0)
    assert {(row["labels"], len(row["accuracy"])) for row in found["rows"]} == {(7, 2)}
    assert "Accuracy on the labeled images, cross-validated" in capsys.readouterr().out
    encoder = Encoder.load(run)
    items = sorted(photos.glob("*/*.png"))
    features = encoder.features(np.stack([np.moveaxis(np.array(Image.open(item)), -1, 0) for item in items]))
    label = np.array(["abc".index(item.parent.name) for item in items])
    digests = [item.read_bytes() for item in items]
    for seed, accuracy in enumerate(next(row["accuracy"] for row in found["rows"] if row["kind"] == "knn")):
        right = 0
        for rest, held in deal(label, digests, 3, seed=seed):
            scores = knn_scores(features[held], features[rest], torch.from_numpy(label[rest]), 3)
            right += int((scores.argmax(1).numpy() == label[held]).sum())
        assert accuracy == right / 11


def test_copies_among_the_test_images_are_told(run: Path, tmp_path: Path) -> None:
    train, test = write_images(tmp_path / "train", 6, seed=7), write_images(tmp_path / "test", 6, seed=7)
    found = probed(run, train, tmp_path / "p.json", "--test", str(test), "--kind", "knn", "--label-counts", "all")
    assert "18 of the test images are copies of labeled ones" in found["notes"][0]
    assert found["rows"][0]["labels"] == 18


def test_a_markdown_file_has_the_table(run: Path, photos: Path, tmp_path: Path) -> None:
    words = ["--label-counts", "6", "--kind", "knn", "--seeds", "2", "--device", "cpu"]
    assert cli.run(["probe", str(run), str(photos), "--out", str(tmp_path / "p.md"), *words]) == 0
    text = (tmp_path / "p.md").read_text()
    assert "| probe | labels | this encoder | random weights | runs |" in text
    assert "| knn | 6 | " in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--label-counts", "6,x"],
            "--label-counts must be numbers above 0, or the word all, separated by commas, got",
        ),
        (["--label-counts", "6,6"], "--label-counts must be different numbers"),
        (["--label-counts", ""], "--label-counts must be numbers, or the word all"),
        (["--label-counts", "37"], "--label-counts must be at most the number of labels, 36, got 37"),
        (["--label-counts", "2"], "--label-counts must be at least 3, one label per class, got 2"),
        (["--kind", "knm"], "--kind must be one of knn, linear, logistic, got 'knm'; did you mean 'knn'?"),
        (["--kind", "foo"], "--kind must be one of knn, linear, logistic, got 'foo'\n"),
        (["--augment", "--kind", "knn"], "--augment does nothing without the linear probe"),
        (["--seeds", "0"], "--seeds must be in [1, 1000]"),
        (["--out", "p.txt"], "cannot write p.txt: the name must end in .json or .md"),
        (["--test", "nowhere"], "nowhere: no such file or folder"),
        (["--network", "teacher2"], "--network must be one of auto, student, teacher"),
    ],
)
def test_wrong_options_are_refused(
    run: Path, photos: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["probe", str(run), str(photos), "--device", "cpu", *words]) == 2
    assert message in capsys.readouterr().err


def test_wrong_data_is_told_with_all_its_faults(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = write_images(tmp_path / "few", 3, seed=3)
    assert cli.run(["probe", str(run), str(few), "--label-counts", "6", "--device", "cpu"]) == 2
    said = capsys.readouterr().err
    assert "too few labels (9) to hold out a fifth of them, so --label-counts can only be all" in said
    single = write_images(tmp_path / "single", 1, seed=3)
    assert cli.run(["probe", str(run), str(single), "--device", "cpu"]) == 2
    said = capsys.readouterr().err
    assert "give labeled test images with --test, or label at least two images per class" in said
    other = write_images(tmp_path / "other", 2, seed=4, classes="xyz")
    assert cli.run(["probe", str(run), str(photos), "--test", str(other), "--device", "cpu"]) == 2
    assert "the class 'x' of the test images has no training images" in capsys.readouterr().err
    (few / "a" / "broken.png").write_bytes(b"no image")
    (few / "b" / "empty.png").write_bytes(b"")
    assert cli.run(["probe", str(run), str(few), "--device", "cpu"]) == 2
    said = capsys.readouterr().err
    assert "broken.png" in said and "empty.png" in said
    assert cli.run(["probe", str(photos), str(photos)]) == 2
    assert "is not a run folder" in capsys.readouterr().err
