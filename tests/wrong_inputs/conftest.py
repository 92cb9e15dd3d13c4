"""What every wrong input is tested with: a folder to build it in, and what the command line must do about it."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from support.runs import unsealed
from tutelage import cli
from tutelage.core.sealed import write_sealed

Refused = Callable[[list[str], str], str]
BRIEF = ["--steps", "4", "--batch-size", "4", "--unlabeled-ratio", "0.5", "--device", "cpu", "--network", "wrn-10-1"]


class World:
    """Builds inputs in a folder of its own. Paths are given and returned relative to it: it is the working folder."""

    train: ClassVar = ["train", "photos", "--out", "runs/a", *BRIEF]

    def __init__(self, root: Path, finished: Path) -> None:
        self.root, self.finished = root, finished

    def path(self, name: str) -> Path:
        """The path of that name, its folder made."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, content: str | bytes) -> str:
        """A file of that content."""
        self.path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    def image(self, *names: str, size: tuple[int, int] = (8, 8)) -> None:
        """Image files; each name has pixels of its own."""
        for name in names:
            self.write(name, png(name, size))

    def photos(self, folder: str = "photos", classes: tuple[str, ...] = ("cat", "dog"), each: int = 4) -> str:
        """Class folders and an `unlabeled` one."""
        for name in (*classes, "unlabeled"):
            self.image(*(f"{folder}/{name}/{number}.png" for number in range(each)))
        return folder

    def table(self, content: str | bytes, labels: str = "labels.csv") -> list[str]:
        """Training on a flat folder of a.png to h.png with a label table of that content."""
        self.image(*(f"photos/{name}.png" for name in "abcdefgh"))
        self.write("labels.csv", content)
        return [*self.train, "--labels", labels]

    def shard(self, name: str, members: dict[str, bytes]) -> str:
        """A tar file, gzipped if its name says so."""
        with tarfile.open(self.path(name), "w:gz" if name.endswith("gz") else "w") as tar:
            for member, content in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return name

    def arrays(self, **arrays: np.ndarray) -> list[str]:
        """Training on a .npz file; what is not given is as it should be."""
        rng = np.random.default_rng(0)
        right = {"x": rng.integers(0, 256, (12, 8, 8), np.uint8), "y": np.arange(12) % 2}
        np.savez(self.path("data.npz"), **{**right, **arrays}, allow_pickle=True)
        return ["train", "data.npz", *self.train[2:]]

    def run(self, *, finished: bool = True) -> str:
        """A run of four steps with the data it was trained on, in `data`."""
        shutil.copytree(self.finished, self.root, dirs_exist_ok=True)
        config = unsealed(self.root / "run" / "config.json")
        config["settings"]["data"]["path"] = str(self.root / "data")
        write_sealed(self.root / "run" / "config.json", config)
        if not finished:
            (self.root / "run" / "result.json").unlink()
        return "run"

    def config(self, change: Callable[[dict], object]) -> None:
        """Change the config.json of the run."""
        config = unsealed(self.root / "run" / "config.json")
        change(config)
        self.write("run/config.json", json.dumps(config))


def png(name: str, size: tuple[int, int] = (8, 8)) -> bytes:
    """An image that follows from `name`."""
    seed = int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:4], "big")
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def tree(root: Path) -> dict[str, tuple[int, str]]:
    """Mode and content of everything below a folder."""
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(root.rglob("*"))
    }


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run in `run` and its data in `data`."""
    root = tmp_path_factory.mktemp("finished")
    World(root, root).photos("data", each=6)
    command = ["train", str(root / "data"), "--out", str(root / "run"), "--method", "mean-teacher", *BRIEF]
    assert cli.run([*command, "--checkpoint-every", "2", "--workers", "1"]) == 0
    return root


@pytest.fixture
def world(tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.chdir(tmp_path)
    yield World(tmp_path, finished)


@pytest.fixture
def refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command and checks that it is refused: exit code 2, one message that matches, and nothing written.

    Gives what it printed besides. A message of several faults has a line for each; everything else is one line.
    """

    def check(command: list[str], message: str) -> str:
        before = tree(tmp_path)
        capfd.readouterr()
        code = cli.run(command)
        said = capfd.readouterr()
        assert "Traceback" not in said.err + said.out
        assert code == 2, said.err
        assert re.search(message, said.err), f"{said.err!r} does not match {message!r}"
        first, *others = said.err.splitlines()
        assert first.startswith("tutelage: ")
        faults = re.match(r"tutelage: (\d+) problems in the data:$", first)
        number = int(faults[1]) if faults else 0
        assert len(others) == min(number, 20) + (number > 20)
        assert said.err.isascii() or said.err.replace("\n", "").isprintable()
        assert tree(tmp_path) == before
        return said.out

    return check
