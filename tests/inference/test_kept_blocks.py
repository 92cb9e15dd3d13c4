"""Passes of many images: kept on the disk as they come, gone on with after an interruption, shared by processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tutelage
from tutelage import cli
from tutelage.core.errors import RunError
from tutelage.data.images.framing import Pixels
from tutelage.data.images.items import Files, Item, Unreadable
from tutelage.inference.images import passes
from tutelage.inference.images.kept_blocks import KeptBlocks
from tutelage.inference.images.passes import ImagePass

COUNT = 23


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "BLOCK", 4)
    monkeypatch.setattr(passes, "_WORTH_KEEPING", 0)
    monkeypatch.setattr(ImagePass.blocks, "__kwdefaults__", {"size": 4})


class Counting:
    """A network that counts its images, and fails when it has seen some."""

    def __init__(self, most: int = 10**6) -> None:
        self.seen, self.most = 0, most

    def image_pass(self, key: str = "a network") -> ImagePass:
        return ImagePass(self.read, self.network, lambda: key)

    def read(self, items: Sequence[Item]) -> Iterator[Pixels | Unreadable]:
        for item in items:
            number = int(item.name)
            yield Unreadable("is lost") if number % 7 == 5 else np.full((1, 2, 2), number, np.uint8)

    def network(self, images: np.ndarray) -> np.ndarray:
        if self.seen >= self.most:
            raise KeyboardInterrupt
        self.seen += len(images)
        rows: np.ndarray = images.reshape(len(images), -1)[:, :2].astype(np.float32)
        return rows


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    store = Files(tmp_path)
    for number in range(COUNT):
        (tmp_path / str(number)).write_bytes(b"x" * number)
    return [Item(str(number), None, store, str(number)) for number in range(COUNT)]


def silent(_: str) -> None:
    pass


def check(blocks: Sequence[object]) -> None:
    rows = np.concatenate([block.rows for block in blocks])  # type: ignore[attr-defined]
    errors = [error for block in blocks for error in block.errors]  # type: ignore[attr-defined]
    good = [number for number in range(COUNT) if number % 7 != 5]
    assert rows[:, 0].tolist() == good
    assert [k for k, error in enumerate(errors) if error] == [k for k in range(COUNT) if k % 7 == 5]


def interrupt(items: list[Item], out: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        list(Counting(most=9).image_pass().kept(items, KeptBlocks(out), silent))


def test_an_interrupted_pass_goes_on_where_it_stopped(items: list[Item], tmp_path: Path) -> None:
    out, rest, told = tmp_path / "rows.csv", Counting(), list[str]()
    interrupt(items, out)
    assert sorted(file.name for file in (tmp_path / "rows.csv.parts").iterdir())[:2] == ["0000000.npz", "0000001.npz"]
    check(list(rest.image_pass().kept(items, KeptBlocks(out, resume=True), told.append)))
    assert told[0] == "- 12 of 23 images are done already" and rest.seen == 20 - 11
    assert not (tmp_path / "rows.csv.parts").exists()


def test_it_is_refused_unless_it_is_to_go_on_or_start_anew(items: list[Item], tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    interrupt(items, out)
    with pytest.raises(RunError, match=r"interrupted before .*rows\.csv was complete: go on with .*resume.*overwrite"):
        list(Counting().image_pass().kept(items, KeptBlocks(out), silent))
    anew = Counting()
    check(list(anew.image_pass().kept(items, KeptBlocks(out, overwrite=True), silent)))
    assert anew.seen == 20


def test_blocks_of_another_network_or_other_images_are_refused(items: list[Item], tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    interrupt(items, out)
    for key, some in (("another network", items), ("a network", items[:-1])):
        with pytest.raises(RunError, match="of another network or of other images: start anew"):
            list(Counting().image_pass(key).kept(some, KeptBlocks(out, resume=True), silent))
    (tmp_path / "3").write_bytes(b"changed")
    with pytest.raises(RunError, match="of other images"):
        list(Counting().image_pass().kept(items, KeptBlocks(out, resume=True), silent))


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"no file"])
def test_a_damaged_block_is_made_anew(items: list[Item], tmp_path: Path, damage: bytes) -> None:
    out, rest = tmp_path / "rows.csv", Counting()
    interrupt(items, out)
    (tmp_path / "rows.csv.parts" / "0000001.npz").write_bytes(damage)
    check(list(rest.image_pass().kept(items, KeptBlocks(out, resume=True), silent)))
    assert rest.seen == 20 - 11 + 3


def test_files_of_others_in_the_folder_stay(items: list[Item], tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    interrupt(items, out)
    (tmp_path / "rows.csv.parts" / "notes.txt").write_text("mine")
    list(Counting().image_pass().kept(items, KeptBlocks(out, overwrite=True), silent))
    assert [file.name for file in (tmp_path / "rows.csv.parts").iterdir()] == ["notes.txt"]


def test_few_images_need_no_folder(items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "_WORTH_KEEPING", 6)
    check(list(Counting().image_pass().kept(items, KeptBlocks(tmp_path / "none" / "rows.csv"), silent)))


# ---- commands


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 images of two classes."""
    root, draw = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number in range(24):
        (root / "ab"[number % 2]).mkdir(exist_ok=True)
        pixels = draw.integers(0, 200, (8, 8, 3), np.uint8) + 50 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(root / "ab"[number % 2] / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {"method.name": "supervised", "network.name": "small", "network.width": 8, "train.steps": 2}
    settings |= {"train.batch_size": 4}
    return tutelage.train(photos, out=tmp_path_factory.mktemp("runs") / "a", settings=settings).path


@pytest.mark.parametrize("command", ["predict", "embed"])
def test_a_command_that_was_interrupted_goes_on(
    command: str,
    photos: Path,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [command, str(run), str(photos), "--out"]
    assert cli.run([*words, str(tmp_path / "whole.csv")]) == 0
    put, count = KeptBlocks.put, 0

    def stopping(self: KeptBlocks, number: int, block: passes.Block) -> None:
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        put(self, number, block)

    with monkeypatch.context() as patch:
        patch.setattr(KeptBlocks, "put", stopping)
        assert cli.run([*words, str(tmp_path / "cut.csv")]) != 0
    assert not (tmp_path / "cut.csv").exists() and len(list((tmp_path / "cut.csv.parts").glob("*.npz"))) == 3
    assert cli.run([*words, str(tmp_path / "cut.csv")]) == 2
    assert "go on with --resume, or start anew with --overwrite" in capsys.readouterr().err
    assert cli.run([*words, str(tmp_path / "cut.csv"), "--resume"]) == 0
    assert "12 of 24 images are done already" in capsys.readouterr().out
    assert (tmp_path / "cut.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not (tmp_path / "cut.csv.parts").exists()
    assert cli.run([*words, str(tmp_path / "cut.csv"), "--resume"]) == 0
    assert f"{tmp_path / 'cut.csv'} is complete already" in capsys.readouterr().out
