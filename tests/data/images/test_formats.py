"""Files that phones and browsers write, what is said of files that are left out, and labels that join classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from tutelage.cli.entry import run
from tutelage.data.images import folders
from tutelage.data.images.reading import decode_image
from tutelage.data.images.source import list_images

BLOBS = np.repeat(np.repeat(np.arange(4, dtype=np.uint8).reshape(2, 2, 1) * 60, 8, 0), 8, 1).repeat(3, 2)


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".avif", ".heic"])
def test_photos_of_phones_and_browsers_are_read(suffix: str, tmp_path: Path) -> None:
    kind = {".jfif": "JPEG", ".jpe": "JPEG", ".avif": "AVIF", ".heic": "HEIF"}[suffix]
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    if kind == "HEIF":
        pytest.importorskip("pillow_heif")
    Image.fromarray(BLOBS).save(tmp_path / f"a{suffix.upper()}", kind, quality=95)
    [item] = list_images(str(tmp_path), role="predict").items
    pixels, size, mode = decode_image((tmp_path / item.name).read_bytes(), at_least=1000)
    assert (size, mode) == ((16, 16), "RGB")
    assert np.abs(pixels.astype(int) - BLOBS).mean() < 6


def test_heic_photos_that_cannot_be_read_are_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "IMAGE_SUFFIXES", (".png",))
    Image.fromarray(BLOBS).save(tmp_path / "a.png")
    (tmp_path / "b.HEIC").write_bytes(b"?")
    [warning] = list_images(str(tmp_path), role="predict").warnings
    assert "files that are not images were skipped: 1 .heic (HEIC photos can be read after: pip install" in warning


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with class folders and a file that is no image, and a run on it."""
    root = tmp_path_factory.mktemp("formats")
    for number in range(8):
        file = root / "photos" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(BLOBS // (1 + number % 2)).save(file)
    (root / "photos" / "a" / "film.mov").write_bytes(b"?")
    flags = ["--method=supervised", "--network=small", "--steps=1", "--no-report", "--preset=none", "--image-size=8"]
    assert run(["train", str(root / "photos"), "--out", str(root / "run"), *flags]) == 0
    return root


@pytest.mark.parametrize("command", ["check", "predict", "embed", "evaluate"])
def test_every_command_says_which_files_it_leaves_out(
    command: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, runs = str(trained / "photos"), str(trained / "run")
    given = {
        "check": [photos],
        "predict": [runs, photos, "--out", str(tmp_path / "p.csv")],
        "embed": [runs, photos, "--out", str(tmp_path / "e.csv")],
        "evaluate": [runs, photos],
    }
    assert run([command, *given[command]]) == 0
    said = capsys.readouterr().out.replace("\n", " ")
    assert "files that are not images were skipped: 1 .mov" in " ".join(said.split())


@pytest.mark.parametrize("joint", ["cat,dog", "dog | cat", "cat;dog"])
def test_labels_that_join_classes_are_named(joint: str, tmp_path: Path) -> None:
    labels = ["cat", "dog", joint, "cat", "salt, pepper"]
    for number in range(len(labels)):
        Image.fromarray(BLOBS).save(tmp_path / f"{number}.png")
    rows = "".join(f'{number}.png,"{label}"\n' for number, label in enumerate(labels))
    (tmp_path / "labels.csv").write_text("path,label\n" + rows)
    [warning] = list_images(str(tmp_path)).warnings
    assert f"1 label such as '{joint}' (line 4) join the names of other classes" in warning


@pytest.mark.parametrize("others", [0, 1, 4])
def test_the_counts_of_what_is_left_out_add_up(others: int, tmp_path: Path) -> None:
    Image.fromarray(BLOBS).save(tmp_path / "a.png")
    for kind in range(5 + others):
        for number in range(20 - kind):
            (tmp_path / f"{number}.kind{kind}").write_bytes(b"?")
    [warning] = list_images(str(tmp_path), role="predict").warnings
    said = "files that are not images were skipped: 20 .kind0, 19 .kind1, 18 .kind2, 17 .kind3, 16 .kind4"
    more = {0: "", 1: " and 15 more of 1 other kind", 4: " and 54 more of 4 other kinds"}[others]
    assert warning == f"{tmp_path}: {said}{more}"
