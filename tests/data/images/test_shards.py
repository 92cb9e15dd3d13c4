import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tutelage.data.images.arrays import DIGITS
from tutelage.data.images.items import Unreadable
from tutelage.data.images.shards import list_shards
from tutelage.data.images.source import list_image_splits

DATA = Path(os.environ.get("TUTELAGE_DATA") or Path(__file__).parents[4] / "shared" / "data")


def png(row: int) -> bytes:
    with np.load(DIGITS) as file:
        image = Image.fromarray(file["x"][row])
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def write_shard(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def samples(count: int) -> list[tuple[str, bytes]]:
    return [m for i in range(count) for m in ((f"{i:03}.cls", b"%d" % (i % 2)), (f"{i:03}.png", png(i)))]


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz"])
def test_members_that_share_a_key_are_one_sample(tmp_path: Path, name: str) -> None:
    members = [("x/1.png", png(0)), ("x/1.cls", b"3\n"), ("x/2.json", b"{}"), ("x/2.png", png(1)), ("x/3.cls", b"-1")]
    shard = write_shard(tmp_path / name, [*members, ("x/3.png", png(2))])
    listing = list_shards([shard], "shards")
    assert listing.faults == []
    assert [(item.name, item.label) for item in listing.items] == [
        (f"{name}/x/1.png", "3"),
        (f"{name}/x/2.png", None),
        (f"{name}/x/3.png", None),
    ]
    assert listing.classes == ("3",)
    store = listing.items[0].store
    assert list(store.read([item.key for item in listing.items])) == [png(0), png(1), png(2)]
    assert list(store.read([listing.items[2].key])) == [png(2)]


def test_indices_become_names_where_classes_are_named(tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text(json.dumps(["cat", "dog"]))
    members = [*samples(2), ("9.png", png(9)), ("9.cls", b"dog")]
    listing = list_shards([write_shard(tmp_path / "a.tar", members)], "shards")
    assert [item.label for item in listing.items] == ["cat", "dog", "dog"]
    assert listing.classes == ("cat", "dog")


def test_indices_without_names_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    members = [m for i in (10, 9, 2) for m in ((f"{i}.png", png(i)), (f"{i}.cls", b"%d" % i))]
    assert list_shards([write_shard(tmp_path / "a.tar", members)], "shards").classes == ("2", "9", "10")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("1.png", b"x"), ("1.cls", b"")], "a.tar: 1.cls holds no class index"),
        ([("1.png", b"x"), ("1.cls", b"\xff\xfe")], "a.tar: 1.cls holds no class index"),
        ([("1.png", b"x"), ("1.cls", b"7")], "a.tar/1.png: label '7' is not a class"),
        ([("1.cls", b"0")], "a.tar: sample '1' has a label and no image"),
        ([("1.png", b"x"), ("1.jpg", b"x")], "a.tar: sample '1' has two images"),
        ([("readme.md", b"x")], "a.tar holds no images"),
    ],
)
def test_each_fault_of_a_shard_is_one_sentence(tmp_path: Path, members: list[tuple[str, bytes]], message: str) -> None:
    (tmp_path / "classes.json").write_text('["cat", "dog"]')
    listing = list_shards([write_shard(tmp_path / "a.tar", members)], "shards")
    assert len(listing.faults) == 1
    assert message in listing.faults[0]


@pytest.mark.parametrize(
    ("text", "message"), [("{", "not readable JSON"), ('{"0": "cat"}', "must be a list"), ('["a", "a"]', "twice")]
)
def test_a_bad_classes_file_is_a_fault(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "classes.json").write_text(text)
    assert message in list_shards([write_shard(tmp_path / "a.tar", samples(2))], "shards").faults[0]


def test_a_shard_cut_anywhere_is_a_fault_that_names_it(tmp_path: Path) -> None:
    whole = write_shard(tmp_path / "whole.tar", samples(4)).read_bytes()
    end = 4 * (512 + 512 + 512 + 512)  # headers and padded contents, before the end mark
    for cut in [0, 1, 300, 512, 700, 1024, 2048, 3000, end - 512, end - 1, end]:
        for name, content in (("cut.tar", whole[:cut]), ("cut.tar.gz", gzip.compress(whole[:cut]))):
            (tmp_path / name).write_bytes(content)
            listing = list_shards([tmp_path / name], "shards")
            assert any(name in fault for fault in listing.faults), cut


def test_a_cut_gzip_stream_is_a_fault(tmp_path: Path) -> None:
    whole = write_shard(tmp_path / "whole.tar.gz", samples(4)).read_bytes()
    for cut in [0, 5, 20, len(whole) // 2, len(whole) - 9]:
        (tmp_path / "cut.tar.gz").write_bytes(whole[:cut])
        assert list_shards([tmp_path / "cut.tar.gz"], "shards").faults, cut


def test_a_shard_that_shrinks_after_listing_gives_no_wrong_images(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "a.tar", samples(4))
    listing = list_shards([shard], "shards")
    whole = shard.read_bytes()
    shard.write_bytes(whole[: listing.items[2].key[0] + 10])
    contents = list(listing.items[0].store.read([item.key for item in listing.items]))
    assert contents[:2] == [png(0), png(1)]
    assert all(isinstance(content, Unreadable) for content in contents[2:])
    shard.unlink()
    gone = list(listing.items[0].store.read([item.key for item in listing.items]))
    assert len(gone) == 4
    assert all(isinstance(content, Unreadable) for content in gone)


def test_splits_follow_from_the_names_of_shards(tmp_path: Path) -> None:
    for name in ("train-0.tar", "train-1.tar.gz", "val-0.tar", "validation_1.tar", "test-0.tgz", "unlabeled-0.tar"):
        write_shard(tmp_path / name, samples(2))
    splits = list_image_splits(str(tmp_path))
    assert {split: len(listing.items) for split, listing in splits.items()} == {
        "train": 4,
        "val": 4,
        "test": 2,
        "unlabeled": 2,
    }


def test_shards_with_other_names_are_all_for_training(tmp_path: Path) -> None:
    for name in ("photos-0.tar", "trainees.tar"):
        write_shard(tmp_path / name, samples(2))
    assert {split: len(listing.items) for split, listing in list_image_splits(str(tmp_path)).items()} == {"train": 4}


def test_the_cifar_test_shard_is_listed_with_its_class_names() -> None:
    shard = DATA / "cifar10" / "test-0000.tar.gz"
    if not shard.exists():
        pytest.skip("CIFAR-10 shards are not here: set TUTELAGE_DATA to the folder that holds cifar10/")
    listing = list_shards([shard], "cifar10")
    assert (len(listing.items), listing.faults) == (5000, [])
    assert listing.classes[0] == "airplane"
    counts = {name: sum(item.label == name for item in listing.items) for name in listing.classes}
    assert counts == dict.fromkeys(listing.classes, 500)


def test_a_dot_before_the_suffix_is_part_of_a_name(tmp_path: Path) -> None:
    members = [("IMG 2.12m.png", png(0)), ("IMG 2.12m.cls", b"1"), ("IMG 2.13m.cls", b"0"), ("IMG 2.13m.png", png(1))]
    members += [("a.png", png(2)), ("a.v2.png", png(3)), ("a.v2.cls", b"1"), ("b.left.png", png(4)), ("b.cls", b"0")]
    listing = list_shards([write_shard(tmp_path / "t.tar", [*members, ("2024.05.01.jpg", png(5))])], "shards")
    assert (listing.faults, listing.warnings) == ([], [])
    assert [(item.name.removeprefix("t.tar/"), item.label) for item in listing.items] == [
        ("IMG 2.12m.png", "1"),
        ("IMG 2.13m.png", "0"),
        ("a.png", None),
        ("a.v2.png", "1"),
        ("b.left.png", "0"),
        ("2024.05.01.jpg", None),
    ]
    assert list(listing.items[0].store.read([item.key for item in listing.items])) == [png(row) for row in range(6)]


def test_what_is_left_out_of_a_shard_is_counted_and_named(tmp_path: Path) -> None:
    members = [("a.png", png(0)), ("a.depth.png", png(1)), ("a.json", b"{}"), ("a.txt", b"cat"), ("b.txt", b"dog")]
    shard = write_shard(tmp_path / "t.tar", [*members, ("README", b"x"), ("._a.png", b"x")])
    with tarfile.open(shard, "a") as tar:
        link = tarfile.TarInfo("c.png")
        link.type, link.linkname = tarfile.SYMTYPE, "a.png"
        tar.addfile(link)
    listing = list_shards([shard], "shards")
    assert [item.name for item in listing.items] == ["t.tar/a.png"]
    assert listing.warnings == [
        f"{shard}: 1 further image of samples that have one were skipped (first: a.depth.png)",
        f"{shard}: members that are no images and no labels were skipped: 2 .txt, 1 .json, 1 without suffix, 1 hidden, "
        "1 link (the label of KEY.jpg is KEY.cls)",
    ]
    assert listing.no_labels == "the label of KEY.jpg in a shard is KEY.cls"


def test_what_was_left_out_is_said_again_from_the_kept_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tutelage.data.images.shard_index._LARGE", 1)
    shard = write_shard(tmp_path / "t.tar", [("a.png", png(0)), ("a.txt", b"cat")])
    os.utime(shard, (1e9, 1e9))
    first = list_shards([shard], "shards")
    assert first.warnings and list_shards([shard], "shards").warnings == first.warnings


@pytest.mark.parametrize("kind", [b"Z", b"7", b"0", b"\0"])
def test_members_of_types_that_are_regular_files_are_read(kind: bytes, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "t.tar", "w") as tar:
        for name, content in samples(2):
            info = tarfile.TarInfo(name)
            info.size, info.type = len(content), kind
            tar.addfile(info, io.BytesIO(content))
    listing = list_shards([tmp_path / "t.tar"], "shards")
    assert (listing.faults, listing.warnings) == ([], [])
    assert [item.label for item in listing.items] == ["0", "1"]
    assert list(listing.items[0].store.read([item.key for item in listing.items])) == [png(0), png(1)]


def test_members_that_are_hidden_or_special_are_left_out_counted_and_named(tmp_path: Path) -> None:
    hidden = [(f"{folder}/x.png", png(0)) for folder in (".git", ".git/objects", "a/.cache", "__MACOSX/a")]
    seen = [("./a.png", png(1)), ("a/../b.png", png(2)), (".h1.png", png(3)), (".h2.png", png(4)), ("._a.png", b"x")]
    shard = write_shard(tmp_path / "t.tar", [*hidden, *seen, (".DS_Store", b"x")])
    with tarfile.open(shard, "a") as tar:
        for name, kind in (("f.png", tarfile.FIFOTYPE), ("null", tarfile.CHRTYPE), ("sda.png", tarfile.BLKTYPE)):
            info = tarfile.TarInfo(name)
            info.type = kind
            tar.addfile(info)
    listing = list_shards([shard], "shards")
    assert [item.name for item in listing.items] == ["t.tar/./a.png", "t.tar/a/../b.png"]
    assert listing.warnings == [
        f"{shard}: members that are no images and no labels were skipped: 3 hidden (the label of KEY.jpg is KEY.cls)",
        f"{shard}: 3 pipes or devices skipped: f.png (a pipe), null (a device), sda.png (a disk)",
        f"{shard}: 4 members in hidden folders skipped: .git, a/.cache, __MACOSX",
    ]
