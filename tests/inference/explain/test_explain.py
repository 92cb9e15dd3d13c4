"""Heat maps: where they lie, that they depend on the weights, and what is written where."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr

import tutelage
from support.shapes import OBJECT, SIZE, save_shapes, shapes
from tutelage.cli import entry
from tutelage.data.images.loader import Normalization
from tutelage.inference.images.explain import grad_cam
from tutelage.inference.images.explain.folder import LeastCertain, refuse_maps
from tutelage.networks.base import initialize
from tutelage.networks.timm_network import TimmNetwork

PHOTOS = "TUTELAGE_CATS_AND_DOGS"  # a folder with the class folders cat and dog
pytest.importorskip("captum", reason="the extra explain is not installed")


@pytest.fixture(scope="module")
def run(few_digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has hardly learned anything."""
    out = tmp_path_factory.mktemp("run") / "a"
    tutelage.train(
        few_digits, out=out, method="supervised", preset="none", network="wrn-10-1", steps=2, seed=0, device="cpu"
    )
    return out


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """The mean rank correlation of maps."""
    pairs = zip(one, other, strict=True)
    return float(np.mean([spearmanr(a.ravel(), b.ravel()).statistic for a, b in pairs if a.any() and b.any()]))


@pytest.mark.slow
def test_maps_depend_on_the_weights_and_lie_on_the_object(tmp_path: Path) -> None:
    data, models = save_shapes(tmp_path / "shapes.npz"), []
    for seed in (0, 1):
        trained = tutelage.train(
            data,
            out=tmp_path / f"run{seed}",
            method="supervised",
            preset="none",
            network="small",
            steps=150,
            seed=seed,
            device="cpu",
        )
        models.append(tutelage.load(trained, device="cpu"))
    images, classes, centers = shapes(40, 2)
    first, second = models
    found = first.explain(images[..., None])
    assert found.maps.shape == (40, SIZE, SIZE) and found.maps.dtype == np.float32
    assert found.maps.min() >= 0.0 and found.maps.max() <= 1.0
    assert found.labels == first.predict(images[..., None]).labels
    assert np.mean([label == ("ring", "cross")[k] for label, k in zip(found.labels, classes, strict=True)]) > 0.9
    rows, columns = np.mgrid[:SIZE, :SIZE]
    near = [np.maximum(abs(rows - y), abs(columns - x)) <= OBJECT // 2 + 3 for y, x in centers]
    mass = np.mean([heat[there].sum() / heat.sum() for heat, there in zip(found.maps, near, strict=True)])
    assert mass > 1.5 * np.mean(near)
    seeds = alike(found.maps, second.explain(images[..., None]).maps)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        initialize(first.network)
    assert alike(found.maps, first.explain(images[..., None]).maps) < seeds - 0.15


@pytest.mark.long
def test_the_class_may_be_chosen(run: Path, few_digits: Path) -> None:
    with np.load(few_digits) as arrays:
        images = arrays["x"][:20, ..., None]
    model = tutelage.load(run, device="cpu")
    three, own = model.explain(images, label="3"), model.explain(images)
    assert three.labels == ["3"] * 20 and own.labels == model.predict(images).labels
    for number, label in enumerate(own.labels):
        chosen = model.explain(images[number : number + 1], label=label)
        np.testing.assert_allclose(chosen.maps[0], own.maps[number], atol=1e-5)
    assert np.abs(three.maps - own.maps).max() > 0.1
    with pytest.raises(tutelage.ConfigError, match="label '33' is not a class of the model"):
        model.explain(images, label="33")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("a/1.png", "b/1.png", "ä ../../ö.png"):
        file = folder / name.replace("../", "")
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(shapes(1, len(name))[0][0]).save(file)
    (folder / "broken.png").write_bytes(b"no image")
    return folder


@pytest.mark.long
def test_the_command_writes_pictures_a_table_and_a_page(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, maps, page = tmp_path / "p.csv", tmp_path / "maps", tmp_path / "p.html"
    words = ["predict", str(run), str(photos), "--out", str(out), "--explain", str(maps), "--report", str(page)]
    assert entry.run([*words, "--device", "cpu"]) == 1
    assert f"3 heat maps: {maps}" in capsys.readouterr().out.replace("\n", "")
    rows = list(csv.DictReader(out.read_text().splitlines()))
    made = list(csv.DictReader((maps / "maps.csv").read_text().splitlines()))
    assert sorted(row["file"] for row in made) == sorted(file.name for file in maps.glob("*.png"))
    confidence = [float(row["confidence"]) for row in made]
    assert confidence == sorted(confidence) and len(made) == 3
    with Image.open(maps / made[0]["file"]) as picture:
        assert picture.size == (516, 256)
    known = tutelage.load(run, device="cpu").known.labeled
    assert known is not None and known.names == tuple(json.loads((run / "split.json").read_text())["labeled"])
    like = {row["path"]: row["like"].split("|") for row in rows}
    assert like["broken.png"] == [""] and all(len(set(like[row["path"]])) == 3 for row in made)
    assert set(like[made[0]["path"]]) <= set(known.names)
    text = page.read_text()
    assert "What speaks for the class" in text and "Labeled images they look like" in text
    assert entry.run(words) == 2
    assert entry.run([*words, "--overwrite"]) == 1
    (maps / "note.txt").write_text("mine")
    assert entry.run([*words, "--overwrite"]) == 2
    assert "holds note.txt, which is no heat map" in " ".join(capsys.readouterr().err.split())
    assert (maps / "note.txt").read_text() == "mine" and len(list(maps.glob("*.png"))) == 3


@pytest.mark.long
def test_runs_without_labeled_features_have_maps_and_a_page_says_what_is_gone(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    old = shutil.copytree(run, tmp_path / "old")
    (old / "labeled.npz").unlink()
    found = tutelage.predict(old, photos, out=tmp_path / "p.csv", explain=tmp_path / "maps")
    assert found.like == [None] * 4 and len(list((tmp_path / "maps").glob("*.png"))) == 3
    with pytest.raises(tutelage.ConfigError, match="like needs features of labeled images"):
        tutelage.predict(old, photos, like=True)
    with pytest.raises(tutelage.ConfigError, match="explain needs out"):
        tutelage.predict(old, photos, explain=tmp_path / "more")
    assert all(len(names or ()) == 3 for names in tutelage.predict(run, photos / "a", like=True).like)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--resume"], "--explain does not go with --resume"),
        (["--explain", "{photos}/maps"], "which is read here: they would be taken for further images"),
        (["--explain", "{photos}/a/1.png"], "is a file; name a folder"),
        (["--explain", "{run}/checkpoints"], "which is read here"),
    ],
)
@pytest.mark.long
def test_a_folder_that_would_lose_or_mix_something_is_refused_before_the_work(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], fault: str
) -> None:
    given = [word.format(photos=photos, run=run) for word in words]
    if "--explain" not in given:
        given += ["--explain", str(tmp_path / "maps")]
    out = tmp_path / "p.csv"
    assert entry.run(["predict", str(run), str(photos), "--out", str(out), *given]) == 2
    assert fault in " ".join(capsys.readouterr().err.split())
    assert not out.exists() and not (tmp_path / "maps").exists()


@pytest.mark.long
def test_a_missing_extra_is_told_before_the_work(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grad_cam, "find_spec", lambda name: None)
    out = tmp_path / "p.csv"
    words = ["predict", str(run), str(photos), "--out", str(out), "--explain", str(tmp_path / "maps")]
    assert entry.run(words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "--explain needs the package 'captum': pip install 'tutelage[explain]'" in said
    assert not out.exists() and not (tmp_path / "maps").exists()


@pytest.mark.long
def test_a_transformer_has_maps_of_its_tokens() -> None:
    network = TimmNetwork("vit_tiny_patch16_224", num_classes=3, image_size=224).eval()
    levels = Normalization((120.0,) * 3, (60.0,) * 3)
    cam = grad_cam.GradCam(network, levels, channels=3, size=224, device=torch.device("cpu"))
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 224, 224), np.uint8)
    first, second = (cam.maps(images, np.full(2, number)) for number in (0, 1))
    assert first.shape == (2, 224, 224) and first.max() == 1.0 and np.abs(first - second).max() > 0.1


def test_the_least_certain_are_kept_in_order() -> None:
    draw = np.random.default_rng(0)
    probs = draw.dirichlet(np.ones(3), 50).astype(np.float32)
    chosen = LeastCertain(most=7)
    for start in range(0, 50, 8):
        chosen.look(start, [None if start + k == 9 else row for k, row in enumerate(probs[start : start + 8])])
    order = [int(row) for row in np.argsort(probs.max(1), kind="stable") if row != 9][:7]
    assert [one.row for one in chosen.found] == order and chosen.seen == 49
    assert [one.predicted for one in chosen.found] == probs[order].argmax(1).tolist()


def test_the_table_is_no_folder_of_maps(tmp_path: Path) -> None:
    with pytest.raises(tutelage.RunError, match="given for a file and for the folder"):
        refuse_maps(tmp_path / "p.csv", overwrite=False, reads=(), others=[tmp_path / "p.csv"])


@pytest.mark.slow
@pytest.mark.skipif(PHOTOS not in os.environ, reason=f"{PHOTOS} names no folder with photos of cats and dogs")
def test_the_map_moves_with_the_cat(tmp_path: Path) -> None:
    """40 labels, a frozen network; a small photo in one quarter of a gray canvas."""
    source, pile = Path(os.environ[PHOTOS]), tmp_path / "pile"
    for kind in ("cat", "dog"):
        (pile / kind).mkdir(parents=True)
        for file in sorted((source / kind).iterdir())[:20]:
            shutil.copy(file, pile / kind)
    tutelage.train(pile, out=tmp_path / "run", budget="5m", device="cpu")
    model = tutelage.load(tmp_path / "run", device="cpu")
    half = model.image_size // 2
    for kind in ("cat", "dog"):
        canvases, quarters = [], []
        for place, file in enumerate(sorted((source / kind).iterdir())[300:324]):
            canvas, (y, x) = Image.new("RGB", (2 * half, 2 * half), (128, 128, 128)), divmod(place % 4, 2)
            with Image.open(file) as photo:
                canvas.paste(photo.convert("RGB").resize((half, half)), (x * half, y * half))
            canvases.append(np.asarray(canvas))
            quarters.append((slice(y * half, (y + 1) * half), slice(x * half, (x + 1) * half)))
        found = model.explain(np.stack(canvases), label=kind)
        shares = [
            heat[there].sum() / heat.sum() for heat, there in zip(found.maps, quarters, strict=True) if heat.any()
        ]
        assert len(shares) > 20 and np.mean(shares) > 0.6
