"""Embeddings as files and as a table: which images, which labels, and nothing written over."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tutelage
from tutelage import cli
from tutelage.core.errors import DataError, RunError
from tutelage.data.images.items import Files, Item
from tutelage.inference.images.embed import SUFFIXES, Embedded, list_to_embed, writer
from tutelage.inference.images.encoder import Encoder


def write_image(file: Path, seed: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)).save(file)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes in train and test, under the same file names, and images without a label."""
    root = tmp_path_factory.mktemp("photos")
    for seed, name in enumerate(
        f"{part}/{label}/{number}.png" for part in ("train", "test") for label in ("a", "b") for number in range(6)
    ):
        write_image(root / name, seed)
    for number in range(3):
        write_image(root / "unlabeled" / f"{number}.png", 100 + number)
    return root


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {"method.name": "supervised", "train.steps": 1, "train.batch_size": 4, "train.workers": 0}
    return tutelage.train(photos, out=tmp_path_factory.mktemp("r") / "a", settings=settings, device="cpu").path


def embedded(run: Path, data: Path, out: Path, *words: str) -> int:
    return cli.run(["embed", str(run), str(data), "--out", str(out), "--device", "cpu", *words])


def test_each_image_has_its_features_and_its_label_where_known(run: Path, photos: Path) -> None:
    table = tutelage.load(run, device="cpu").embed(photos)
    assert table.columns[:4].tolist() == ["path", "label", "f0", "f1"]
    assert table.shape == (27, 130)
    known = {path: path.split("/")[1] for path in table.path if "unlabeled" not in path}
    assert len(known) == 24 and "train/a/0.png" in known and "test/b/5.png" in known
    for row in table.itertuples():
        assert row.label == known.get(row.path) or (row.label is None and row.path.startswith("unlabeled"))
    encoder = Encoder.load(run, device="cpu")
    for path in ("test/b/3.png", "unlabeled/2.png"):
        pixels = np.array(Image.open(photos / path)).transpose(2, 0, 1)[None]
        got = table.loc[table.path == path, "f0":"f127"].to_numpy(np.float32)
        np.testing.assert_allclose(got, encoder.features(pixels).numpy(), rtol=1e-4, atol=1e-5)


def test_all_kinds_of_file_hold_the_same(run: Path, photos: Path, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    for suffix in ("parquet", "npz", "csv"):
        assert embedded(run, photos, tmp_path / f"e.{suffix}") == 0
    table = pd.read_parquet(tmp_path / "e.parquet")
    features = table.loc[:, "f0":].to_numpy()
    assert features.dtype == np.float32
    assert table.label.isna().sum() == 3
    with np.load(tmp_path / "e.npz") as arrays:
        assert arrays["path"].tolist() == table.path.tolist()
        assert arrays["label"].tolist() == [label if isinstance(label, str) else "" for label in table.label]
        assert np.array_equal(arrays["features"], features)
    with (tmp_path / "e.csv").open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == list(table.columns)
    assert [row[0] for row in rows[1:]] == table.path.tolist()
    assert np.array_equal(np.array([row[2:] for row in rows[1:]], np.float32), features)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["e.csv", "e.npz", "e.parquet"]


@pytest.mark.parametrize("source", ["digits", "table"])
def test_labels_are_found_in_every_kind_of_source(source: str, tmp_path: Path) -> None:
    if source == "digits":
        items = list_to_embed("digits")
        assert len(items) == 1797 and all(item.label is not None for item in items)
        return
    for number in range(3):
        write_image(tmp_path / f"{number}.png", number)
    assert [item.label for item in list_to_embed(str(tmp_path))] == [None, None, None]
    (tmp_path / "table.csv").write_text("path,label\n0.png,x\n2.png,y\n")
    assert [item.label for item in list_to_embed(str(tmp_path), str(tmp_path / "table.csv"))] == ["x", None, "y"]
    (tmp_path / "table.csv").write_text("path,label\n9.png,x\n")
    with pytest.raises(DataError, match=r"9\.png"):
        list_to_embed(str(tmp_path), str(tmp_path / "table.csv"))


def test_an_image_that_cannot_be_read_is_left_out_and_named(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "new" / "good.png", 0)
    (tmp_path / "new" / "bad.png").write_bytes(b"no image")
    assert embedded(run, tmp_path / "new", tmp_path / "e.npz") == 1
    said = capsys.readouterr()
    assert "1 images, 128 features each, 1 skipped because they cannot be read" in said.out
    assert "tutelage: 1 of 2 images are not in " in said.err and "bad.png is not a readable image" in said.err
    with np.load(tmp_path / "e.npz") as arrays:
        assert arrays["path"].tolist() == ["good.png"]
    (tmp_path / "new" / "good.png").unlink()
    assert embedded(run, tmp_path / "new", tmp_path / "f.csv") == 2
    assert "bad.png" in capsys.readouterr().err
    assert not (tmp_path / "f.csv").exists() and not list(tmp_path.glob("*.tmp-*"))


def test_a_name_that_is_a_formula_is_none_in_the_csv_file(run: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "new" / "=1+1.png", 0)
    assert embedded(run, tmp_path / "new", tmp_path / "e.csv") == 0
    assert (tmp_path / "e.csv").read_text().splitlines()[1].startswith("./=1+1.png,,")


def test_nothing_is_written_over_unasked(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "e.npz").write_bytes(b"mine")
    assert embedded(run, photos, tmp_path / "e.npz") == 2
    assert "e.npz exists; name another file, or replace it with --overwrite" in capsys.readouterr().err
    (tmp_path / "map.html").write_text("mine")
    assert embedded(run, photos, tmp_path / "f.npz", "--report", str(tmp_path / "map.html")) == 2
    assert (tmp_path / "e.npz").read_bytes() == b"mine" and (tmp_path / "map.html").read_text() == "mine"
    assert embedded(run, photos, tmp_path / "e.npz", "--overwrite") == 0
    assert embedded(run, photos, tmp_path / "e.txt") == 2
    assert "the name must end in .parquet, .npz or .csv" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_leaves_the_earlier_table(suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"features{suffix}"
    out.write_bytes(b"before")
    (tmp_path / f"{out.name}.tmp-{os.getpid()}").symlink_to("/dev/full")
    block = Embedded(
        [Item(f"{number}.png", None, Files(tmp_path), f"{number}.png") for number in range(300)],
        np.ones((300, 50), np.float32),
    )
    with pytest.raises(RunError, match=r"cannot write .*features.*No space left on device"), writer(out) as write:
        for _ in range(20):
            write.add(block)
    assert out.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [out]
