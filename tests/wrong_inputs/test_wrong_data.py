"""Tables, folders, images, shards and arrays that cannot be trained on, through the real command line."""

from __future__ import annotations

import io
import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.damaged_arrays import DAMAGED_ARRAYS
from support.damaged_shards import DAMAGED_SHARDS
from support.damaged_tables import DAMAGED_TABLES, FINE
from support.users_files import ODD_BUT_FINE, USERS_FILES, last
from tutelage import cli

ROWS = "path,label\na.png,cat\nb.png,cat\nc.png,dog\nd.png,dog\n"


def bomb(width: int, height: int) -> bytes:
    """A PNG file of a few bytes that claims to be large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


def tiff(value: float) -> bytes:
    """A float image."""
    stream = io.BytesIO()
    Image.fromarray(np.full((8, 8), value, np.float32)).save(stream, "TIFF")
    return stream.getvalue()


def beside(world: Any, name: str, content: bytes | None = None) -> list[str]:
    """Training on good class folders with one more file, an image if `content` is None."""
    world.photos()
    world.image(f"photos/{name}") if content is None else world.write(f"photos/{name}", content)
    return world.train


def without(world: Any, folder: str) -> list[str]:
    world.photos()
    for path in (world.root / folder).iterdir():
        path.unlink()
    return world.train


def linked(world: Any, name: str, target: str) -> list[str]:
    world.photos()
    world.path(f"photos/{name}").symlink_to(target)
    return world.train


def shards(world: Any, members: dict[str, bytes], name: str = "photos/train-0.tar") -> list[str]:
    """Training on a good shard and another one with `members`."""
    good = {f"{n}.png": world_png(world, f"{n}") for n in range(8)} | {f"{n}.cls": b"%d" % (n % 2) for n in range(8)}
    world.shard("photos/train-9.tar", good)
    world.shard(name, members)
    return world.train


def world_png(world: Any, name: str) -> bytes:
    world.image(f"made/{name}.png")
    return (world.root / f"made/{name}.png").read_bytes()


def cut(world: Any, name: str, keep: int) -> list[str]:
    command = shards(world, {f"{n}.png": world_png(world, f"x{n}") for n in range(60)}, name)
    world.write(name, (world.root / name).read_bytes()[:keep])
    return command


TABLES: dict[str, tuple[Callable[[Any], list[str]], str]] = {
    "a table that is not there": (
        lambda w: w.table(ROWS, "lables.csv"),
        r"lables.csv: no such file.*path,label",
    ),
    "a table without content": (lambda w: w.table(""), r"labels.csv is empty: expected a header line 'path,label'"),
    "a table with a header alone": (lambda w: w.table("path,label\n"), r"labels.csv has a header and no rows"),
    "a table without a header": (
        lambda w: w.table("a.png,cat\nb.png,dog\n"),
        r"labels.csv line 1: no column 'path': expected a header 'path,label', got 'a.png,cat'",
    ),
    "a table with other columns": (
        lambda w: w.table("file,class\na.png,cat\n"),
        r"line 1: no column 'path'.*got 'file,class'",
    ),
    "a table without labels": (lambda w: w.table("path\na.png\n"), r"line 1: no column 'label'"),
    "a table with a column named twice": (
        lambda w: w.table("path,label,label\na.png,cat,cat\n"),
        r"labels.csv line 1: the column 'label' appears twice",
    ),
    "a table with semicolons": (
        lambda w: w.table(ROWS.replace(",", ";")),
        r"labels.csv line 1: .*semicolons: save the table with commas",
    ),
    "a table with tabs": (lambda w: w.table(ROWS.replace(",", "\t")), r"line 1: .*tabs: save the table with commas"),
    "a short row": (lambda w: w.table(ROWS + "e.png\n"), r"line 6: expected 2 cells as in the header, got 1"),
    "a long row": (lambda w: w.table(ROWS + "e.png,a,b\n"), r"labels.csv line 6: expected 2 cells.*got 3"),
    "an empty path": (lambda w: w.table(ROWS + ",cat\n"), r"labels.csv line 6: the path is empty"),
    "a label of white space": (
        lambda w: w.table(ROWS + "e.png,  \n"),
        r"labels.csv line 6: the label is only white space: leave it empty",
    ),
    "a file named twice with different labels": (
        lambda w: w.table(ROWS + "a.png,dog\n"),
        r"line 6: 'a.png' is labeled 'dog' here and 'cat' in line 2",
    ),
    "a label that names no file": (
        lambda w: w.table(ROWS + "z.png,cat\n"),
        r"labels.csv line 6: 'z.png' is not a file in .*photos; paths are relative to that folder",
    ),
    "a path that differs in case": (
        lambda w: last(w.image("photos/Ee.png", "photos/eE.png"), w.table(ROWS + "EE.png,cat\n")),
        r"line 6: 'EE.png' may be 'Ee.png' or 'eE.png': write which",
    ),
    "a path out of the folder": (
        lambda w: w.table(ROWS + "../x.png,cat\n"),
        r"line 6: '../x.png' lies outside .*photos",
    ),
    "an absolute path elsewhere": (
        lambda w: w.table(ROWS + "/nowhere/x.png,cat\n"),
        r"line 6: '/nowhere/x.png' lies outside .*photos",
    ),
    "a path that is a folder": (
        lambda w: last(w.image("photos/deep/x.png"), w.table(ROWS + "deep,cat\n")),
        r"line 6: 'deep' is a folder, expected an image",
    ),
    "a path that is no image": (
        lambda w: last(w.write("photos/x.txt", "x"), w.table(ROWS + "x.txt,cat\n")),
        r"line 6: 'x.txt' is not an image: known suffixes are .*\.png",
    ),
    "a table that is a folder": (
        lambda w: w.table(ROWS, "photos"),
        r"photos is a folder: expected a CSV file with the columns path,label",
    ),
    "a table in UTF-16": (lambda w: w.table(ROWS.encode("utf-16")), r"labels.csv is UTF-16: save it as UTF-8"),
    "a table in Latin-1": (
        lambda w: w.table((ROWS + "e.png,éléphant\n").encode("latin-1")),
        r"labels.csv line 6 is not UTF-8.*save the table as UTF-8",
    ),
    "a table with a NUL byte": (lambda w: w.table(ROWS + "e.png,c\0t\n"), r"labels.csv line 6 holds a NUL byte"),
    "a table with an endless line": (
        lambda w: w.table(ROWS + "e" * 70_000),
        r"labels.csv line 6 is longer than 65536 bytes",
    ),
    "a quotation mark left open": (
        lambda w: w.table(ROWS + '"e.png,cat\n'),
        r"labels.csv line 6: .*is a quotation mark left open\?",
    ),
    "a newline within quotes": (lambda w: w.table(ROWS + '"e\n.png",cat\n'), r"line 7: 'e\\n.png' is not a file"),
    "a class that a spreadsheet runs": (
        lambda w: w.table(ROWS + "e.png,=cmd\n"),
        r"class name '=cmd' starts with '=', which spreadsheets run as a formula: rename it",
    ),
    "one class alone": (lambda w: w.table("path,label\na.png,cat\n"), r"photos has only one class \('cat'\)"),
    "no label at all": (lambda w: w.table("path,label\na.png,\n"), r"photos has no labeled image"),
    "several faults at once": (
        lambda w: w.table(ROWS + "z.png,cat\n,dog\ne.png,dog,1\n"),
        r"3 problems in the data:\n(.|\n)*line 7.*\n(.|\n)*line 8(.|\n)*line 6",
    ),
    "a table for the digits": (
        lambda w: ["train", "digits", "--labels", w.write("l.csv", ROWS), *w.train[2:]],
        r"digits has its own labels: the table .*l.csv is for a folder of images",
    ),
}

FOLDERS: dict[str, tuple[Callable[[Any], list[str]], str]] = {
    "no such folder": (lambda w: w.train, r"photos: no such file or folder; expected class folders"),
    "a mistyped folder": (
        lambda w: last(w.photos("fotos"), w.train),
        r"photos: no such file or folder; did you mean 'fotos'\?",
    ),
    "an empty name": (lambda w: ["train", "", *w.train[2:]], r"data.path must be .*, got ''"),
    "a name that is too long": (lambda w: ["train", "x" * 300, *w.train[2:]], r"xxx cannot be listed: File name too"),
    "a folder without anything": (
        lambda w: last(w.path("photos/x"), w.train),
        r"photos holds no images; expected class folders",
    ),
    "class folders without images": (
        lambda w: last(w.write("photos/cat/x.txt", "x"), w.train),
        r"photos holds no images \(known suffixes: .*\.png",
    ),
    "images without labels": (
        lambda w: last(w.image("photos/1.png"), w.train),
        r"photos holds images \(1\) and no labels: sort .* or give a table with --labels",
    ),
    "unlabeled images alone": (
        lambda w: last(w.image("photos/unlabeled/1.png"), w.train),
        r"photos holds images \(1\) and no labels",
    ),
    "one class folder": (
        lambda w: last(w.photos(classes=("cat",)), w.train),
        r"photos has only one class \('cat'\): expected two or more",
    ),
    "a class folder without images": (
        lambda w: without(w, "photos/dog"),
        r"photos: class 'dog' has no labeled image: label one or remove the class",
    ),
    "images beside class folders": (
        lambda w: beside(w, "stray.png"),
        r"photos: 1 image \(first: stray.png\) beside the class folders: move",
    ),
    "classes in deeper folders": (
        lambda w: last(w.photos("photos/all"), w.photos("photos/more"), w.train),
        r"photos/all holds folders instead of images .*each class needs one folder",
    ),
    "a hidden folder alone": (
        lambda w: last(w.image("photos/.ipynb_checkpoints/1.png"), w.train),
        r"photos holds no images; expected class folders",
    ),
    "a link to nowhere": (
        lambda w: linked(w, "cat/9.png", "nowhere.png"),
        r"photos/cat/9.png is a link to a file that does not exist",
    ),
    "a folder of links to itself": (
        lambda w: last(
            w.path("photos/cat/x"), (w.root / "photos/dog").symlink_to("."), (w.root / "photos/cat").rmdir(), w.train
        ),
        r"photos holds no images",
    ),
    "a class folder that spreadsheets run": (
        lambda w: beside(w, "=1+1/1.png"),
        r"class name '=1\+1' starts with '='.*rename it",
    ),
    "a class folder with a newline": (
        lambda w: beside(w, "c\nt/1.png"),
        r"class name 'c\\nt' holds control or undecodable characters: rename it",
    ),
    "a class folder with a byte that is no text": (
        lambda w: beside(w, os.fsdecode(b"c\xfft") + "/1.png"),
        r"class name 'c\\udcfft' holds control or undecodable characters: rename it",
    ),
    "a split without training images": (
        lambda w: last(w.photos("photos/test"), w.train),
        r"photos has no training images: expected a folder or shards 'train'",
    ),
    "two folders for one split": (
        lambda w: [w.photos(f"photos/{part}") for part in ("train", "val", "valid")] and w.train,
        r"photos: val(id)? is a second folder for val: keep one",
    ),
    "validation images of another class": (
        lambda w: [*beside(w, "cat/9.png"), "--val", w.photos("val", ("cat", "bird"))],
        r"val: class 'bird' of the val images is not a class of the training images \(4 images",
    ),
    "validation images that are not there": (
        lambda w: [*beside(w, "cat/9.png"), "--val", "vla"],
        r"vla: no such file or folder",
    ),
    "test images without labels": (
        lambda w: [*beside(w, "cat/9.png"), "--test", last(w.image("test/1.png"), "test")],
        r"test holds images \(1\) and no labels",
    ),
    "unlabeled images that are not there": (
        lambda w: [*beside(w, "cat/9.png"), "--unlabeled", "more"],
        r"more: no such file or folder",
    ),
    "a folder of unlabeled images without any": (
        lambda w: [*beside(w, "cat/9.png"), "--unlabeled", last(w.write("more/x.txt", ""), "more")],
        r"more holds no images",
    ),
    "a file of another kind": (
        lambda w: ["train", w.write("photos.zip", "x"), *w.train[2:]],
        r"photos.zip is a file of another kind; expected",
    ),
    "an image as the data": (
        lambda w: last(w.image("a.png"), ["train", "a.png", *w.train[2:]]),
        r"a.png is a file of another kind; expected",
    ),
}

IMAGES: dict[str, tuple[Callable[[Any], list[str]], str]] = {
    "an image of 0 bytes": (lambda w: beside(w, "cat/9.png", b""), r"photos/cat/9.png is empty \(0 bytes\)"),
    "text named as an image": (
        lambda w: beside(w, "cat/9.jpg", b"hello"),
        r"photos/cat/9.jpg is not a readable image \(known formats: .*BMP",
    ),
    "an image cut in half": (
        lambda w: beside(w, "cat/9.png", world_png(w, "half")[:120]),
        r"photos/cat/9.png cannot be decoded: ",
    ),
    "a decompression bomb": (
        lambda w: beside(w, "dog/9.png", bomb(30_000, 30_000)),
        r"photos/dog/9.png has (30000 x 30000|900000000) pixels, more than",
    ),
    "a bomb that Pillow only warns of": (
        lambda w: beside(w, "dog/9.png", bomb(10_000, 10_000)),
        r"photos/dog/9.png has 10000 x 10000 pixels, more than 89478485 are refused",
    ),
    "a float image out of range": (
        lambda w: beside(w, "dog/9.tif", tiff(2.5)),
        r"photos/dog/9.tif holds values from 2.5 to 2.5: expected 0 to 1",
    ),
    "a float image of NaN": (lambda w: beside(w, "dog/9.tif", tiff(np.nan)), r"photos/dog/9.tif holds values from nan"),
    "an unlabeled image that cannot be read": (
        lambda w: beside(w, "unlabeled/9.png", b"x"),
        r"photos/unlabeled/9.png is not a readable image",
    ),
    "a test image that cannot be read": (
        lambda w: [*beside(w, "cat/9.png"), "--test", last(w.photos("test"), w.write("test/cat/9.png", b""), "test")],
        r"test/cat/9.png is empty",
    ),
    "a class of unreadable images alone, passed over": (
        lambda w: [*beside(w, "bird/1.png", b""), "--skip-unreadable"],
        r"photos: class 'bird' has no labeled image",
    ),
    "thirty unreadable images": (
        lambda w: [w.write(f"photos/cat/b{n}.png", b"") for n in range(30)] and beside(w, "cat/9.png"),
        r"(.+ is empty.*\n){20}.*\(and 10 more; .*--out report.json",
    ),
}

SHARDS: dict[str, tuple[Callable[[Any], list[str]], str]] = {
    "a shard cut off": (lambda w: cut(w, "photos/train-0.tar", 5000), r"train-0.tar.*(truncated|damaged)"),
    "a gzipped shard cut off": (lambda w: cut(w, "photos/train-0.tar.gz", 3000), r"train-0.tar.gz is damaged"),
    "text named as a shard": (
        lambda w: last(w.write("photos/train-0.tar", "x" * 600), w.train),
        r"photos/train-0.tar is damaged or not a tar file",
    ),
    "a shard without images": (lambda w: shards(w, {"a.txt": b"x"}), r"train-0.tar holds no images"),
    "a label without an image": (
        lambda w: shards(w, {"a.cls": b"1"}),
        r"train-0.tar: sample 'a' has a label and no image",
    ),
    "a sample with two images": (
        lambda w: shards(w, {"a.png": world_png(w, "a"), "a.jpg": world_png(w, "b")}),
        r"train-0.tar: sample 'a' has two images, a.jpg is the second",
    ),
    "a label that is no text": (
        lambda w: shards(w, {"a.png": world_png(w, "a"), "a.cls": b"\xff\xfe"}),
        r"train-0.tar: a.cls holds no class index and no class name",
    ),
    "a label above the classes": (
        lambda w: last(
            w.write("photos/classes.json", '["cat", "dog"]'), shards(w, {"a.png": world_png(w, "a"), "a.cls": b"7"})
        ),
        r"train-0.tar/a.png: label '7' is not a class: classes.json names 2",
    ),
    "a class that no sample has": (
        lambda w: last(w.write("photos/classes.json", '["a", "b", "c"]'), shards(w, {"a.png": world_png(w, "a")})),
        r"photos: class 'c' has no labeled image: label one or remove the class",
    ),
    "class names that are no JSON": (
        lambda w: last(w.write("photos/classes.json", "cat, dog"), shards(w, {"a.png": world_png(w, "a")})),
        r"classes.json is not readable JSON",
    ),
    "an unreadable image in a shard": (
        lambda w: shards(w, {"a.png": b"x", "a.cls": b"1"}),
        r"train-0.tar/a.png is not a readable image",
    ),
    "shards of the test split alone": (
        lambda w: last(w.shard("photos/test-0.tar", {"a.png": world_png(w, "a"), "a.cls": b"1"}), w.train),
        r"photos has no training images: expected a folder or shards 'train'",
    ),
    "shards with a label table": (
        lambda w: [*shards(w, {"a.png": world_png(w, "a")}), "--labels", w.write("l.csv", ROWS)],
        r"photos has its own labels: the table .*l.csv is for a folder of images",
    ),
}

ARRAYS: dict[str, tuple[Callable[[Any], list[str]], str]] = {
    "text named as arrays": (
        lambda w: ["train", w.write("d.npz", "x"), *w.train[2:]],
        r"d.npz is not a readable .npz file: ",
    ),
    "arrays cut off": (
        lambda w: last(
            w.arrays(),
            w.write("data.npz", (w.root / "data.npz").read_bytes()[:400]),
            ["train", "data.npz", *w.train[2:]],
        ),
        r"data.npz is not a readable .npz file: ",
    ),
    "arrays without images": (
        lambda w: last(np.savez(w.path("d.npz"), images=np.zeros(3)), ["train", "d.npz", *w.train[2:]]),
        r"d.npz: no array 'x' of images; the file holds images",
    ),
    "images of a wrong shape": (
        lambda w: w.arrays(x=np.zeros((12, 64), np.uint8)),
        r"data.npz: 'x' must be \(N, H, W\), .*got shape \(12, 64\)",
    ),
    "images of a wrong type": (
        lambda w: w.arrays(x=np.zeros((12, 8, 8), np.bool_)),
        r"data.npz: 'x' must be of integers, or of floats in \[0, 1\], got bool",
    ),
    "images out of range": (
        lambda w: w.arrays(x=np.linspace(0, 255, 12 * 64).reshape(12, 8, 8)),
        r"data.npz x row 1 holds values from .*expected \[0, 1\], or integers",
    ),
    "too few labels": (lambda w: w.arrays(y=np.arange(5)), r"data.npz: 'y' must be 12 integers.*got int64 of shape"),
    "labels that are floats": (lambda w: w.arrays(y=np.arange(12) / 2), r"'y' must be 12 integers.*got float64"),
    "a label outside the classes": (
        lambda w: w.arrays(y=np.arange(12), classes=np.array(["cat", "dog"])),
        r"data.npz: 'y' row 2 is 2: expected below 2, or -1 for unlabeled \(10 such rows\)",
    ),
    "a negative label": (lambda w: w.arrays(y=np.arange(12) - 3), r"'y' row 0 is -3: expected 0 or more, or -1"),
    "arrays of objects": (
        lambda w: w.arrays(y=np.array([{}] * 12, dtype=object)),
        r"data.npz 'y' holds Python objects, which are not read, since they may run code",
    ),
    "class names that repeat": (
        lambda w: w.arrays(classes=np.array(["cat", "cat"])),
        r"data.npz: 'classes' must be a list of different names",
    ),
    "a class without labels in arrays": (
        lambda w: w.arrays(classes=np.array(["cat", "dog", "eel"])),
        r"data.npz: class 'eel' has no labeled image: label one or remove the class",
    ),
    "labels of one class": (lambda w: w.arrays(y=np.zeros(12, int)), r"data.npz has only one class \('0'\)"),
}

UNCHECKED = ("an empty name", "a class of unreadable images alone, passed over")  # check takes no such thing
SOURCES = ("--labels", "--val", "--test", "--unlabeled")
CASES = TABLES | FOLDERS | IMAGES | SHARDS | ARRAYS | USERS_FILES | DAMAGED_TABLES | DAMAGED_SHARDS | DAMAGED_ARRAYS
APPROVED = ODD_BUT_FINE | FINE


@pytest.mark.parametrize("name", CASES)
def test_data_that_cannot_be_trained_on_is_refused(name: str, world: Any, refused: Any) -> None:
    arrange, message = CASES[name]
    refused(arrange(world), message)


def check_of(command: list[str]) -> list[str]:
    """The check of the data of a training."""
    sources = [word for flag in SOURCES if flag in command for word in (flag, command[command.index(flag) + 1])]
    return ["check", command[1], *sources]


def faults_in(text: str, start: str) -> list[str]:
    """The sentences after `start`, with paths relative to the working folder; of many, the first 20."""
    lines = text.replace(f"{Path.cwd()}/", "").splitlines()
    found = [line.removeprefix(start) for line in lines if line.startswith(start)]
    return [sentence for sentence in found if not sentence.startswith("(and ")]


@pytest.mark.parametrize("name", [name for name in CASES if name not in UNCHECKED])
def test_check_and_train_have_the_same_verdict_and_the_same_reasons(
    name: str, world: Any, refused: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    arrange, message = CASES[name]
    command = arrange(world)
    assert cli.run(command) == 2
    said = capfd.readouterr().err.replace("tutelage: ", "  ", 1)
    trained = [fault for fault in faults_in(said, "  ") if not re.match(r"\d+ problems in the data:$", fault)]
    report = refused(check_of(command), r"cannot be trained on: (1 problem|\d+ problems), listed above")
    assert re.search(message.removeprefix(r"3 problems in the data:\n"), report.replace("error: ", "  "))
    assert faults_in(report, "error: ") == trained


@pytest.mark.parametrize("name", APPROVED)
def test_what_the_check_approves_can_be_trained_on(name: str, world: Any, capfd: pytest.CaptureFixture[str]) -> None:
    command = APPROVED[name](world)
    assert cli.run(check_of(command)) == 0
    checked = faults_in(capfd.readouterr().out, "warning: ")
    assert cli.run([*command, "--method", "supervised", "--no-report"]) == 0, capfd.readouterr().err
    trained = faults_in(capfd.readouterr().out, "warning: ")
    assert set(trained) <= set(checked)


def test_the_catalogue_is_large() -> None:
    assert len(CASES) >= 150
