"""No file that tutelage reads can run code."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import pickle
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import tutelage
from support.runs import unsealed
from tutelage import cli

SOURCE = Path(tutelage.__file__).parent


class Bomb:
    """Unpickled, it writes the canary."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        import os

        return os.system, (f"touch {self.canary}",)


def test_a_pickle_writes_the_canary_so_the_tests_below_can_fail(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "canary")))
    assert (tmp_path / "canary").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unsafe")
    for name in "ab":
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("L", (8, 8), 40 * number + ord(name)).save(folder / "photos" / name / f"{number}.png")
    brief = {
        "method.name": "mean-teacher",
        "train.steps": 2,
        "train.batch_size": 2,
        "train.unlabeled_ratio": 1,
        "train.workers": 0,
    }
    run = tutelage.train(folder / "photos", out=folder / "run", settings=brief).path
    (run / "result.json").unlink()
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "here")
    return tmp_path / "here"


def checkpoint_of(content: bytes, folder: Path) -> list[str]:
    """The run of `folder`, whose checkpoints are all `content`, with hashes that agree: the manifest is forged too."""
    checkpoints = folder / "run" / "checkpoints"
    manifest = unsealed(checkpoints / "manifest.json")
    for entry in manifest["checkpoints"]:
        (checkpoints / entry["file"]).write_bytes(content)
        entry |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (checkpoints / "manifest.json").write_text(json.dumps(manifest))
    return ["train", "--resume", str(folder / "run")]


def saved(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def arrays(folder: Path, **values: object) -> str:
    np.savez(folder / "data.npz", **{name: np.array(value, dtype=object) for name, value in values.items()})
    return str(folder / "data.npz")


def shard(folder: Path, suffix: str, content: bytes) -> str:
    path = folder / "data.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(4):
            member = tarfile.TarInfo(f"{number}.{suffix}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return str(path)


def start(data: str, folder: Path) -> list[str]:
    return ["train", data, "--steps=2", "--batch-size=2", "--out", str(folder / "new")]


def write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


ATTACKS: dict[str, Callable[[Path, Bomb], list[str]]] = {
    "checkpoint, pickle": lambda f, bomb: checkpoint_of(pickle.dumps(bomb), f),
    "checkpoint, torch": lambda f, bomb: checkpoint_of(saved({"weight": bomb}), f),
    "checkpoint of init-from": lambda f, bomb: [
        *start(str(f / "photos"), f),
        "--init-from",
        checkpoint_of(pickle.dumps(bomb), f)[-1],
    ],
    "checkpoint of evaluate": lambda f, bomb: ["evaluate", checkpoint_of(saved(bomb), f)[-1], str(f / "photos")],
    "checkpoint of predict": lambda f, bomb: [
        "predict",
        checkpoint_of(saved(bomb), f)[-1],
        str(f / "photos"),
        "--out",
        str(f / "out.csv"),
    ],
    "config.json": lambda f, bomb: [
        "train",
        "--resume",
        str(Path(write(f / "run" / "config.json", pickle.dumps(bomb))).parent),
    ],
    "manifest.json": lambda f, bomb: [
        "train",
        "--resume",
        str(Path(write(f / "run" / "checkpoints" / "manifest.json", pickle.dumps(bomb))).parents[1]),
    ],
    "npz, objects": lambda f, bomb: start(arrays(f, x=[bomb, bomb], y=[0, 1]), f),
    "npz, labels": lambda f, bomb: start(arrays(f, x=[[[0]], [[1]]], y=[bomb, bomb]), f),
    "npz, pickle": lambda f, bomb: start(write(f / "data.npz", pickle.dumps(bomb)), f),
    "shard, pyd": lambda f, bomb: start(shard(f, "pyd", pickle.dumps(bomb)), f),
    "shard, pkl": lambda f, bomb: start(shard(f, "pkl", pickle.dumps(bomb)), f),
    "shard, pth": lambda f, bomb: start(shard(f, "pth", saved(bomb)), f),
    "settings": lambda f, bomb: [
        *start(str(f / "photos"), f),
        "--config",
        write(f / "a.toml", b"!!python/object/apply:os.system ['touch canary']"),
    ],
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_malicious_file_is_refused_and_nothing_of_it_runs(
    attack: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = tmp_path / "canary"
    tokens = ATTACKS[attack](folder, Bomb(canary))
    capsys.readouterr()
    code = cli.run(tokens)
    error = capsys.readouterr().err
    assert code == 2, error
    assert error.startswith("tutelage: ") and "Traceback" not in error
    assert not canary.exists()
    assert not (folder / "new").exists()


def calls(path: Path) -> list[str]:
    """What a file calls or passes that could unpickle, evaluate or run something."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg in ("weights_only", "allow_pickle"):
            if not isinstance(node.value, ast.Constant) or node.value.value is not (node.arg == "weights_only"):
                found.append(str(node.arg))
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            safely = any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords)
            if name == "torch.load" and not safely:
                found.append(name)
            if name in ("torch.save", "eval", "exec", "os.system") or name.startswith("yaml."):
                found.append(name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            if ast.unparse(node) == "from pickle import UnpicklingError":  # an error to catch
                continue
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in names if name.split(".")[0] in ("pickle", "joblib", "shelve", "marshal", "dill")]
    return found


def test_the_source_holds_nothing_that_unpickles() -> None:
    files = sorted(SOURCE.rglob("*.py"))
    assert len(files) > 50
    assert {str(path.relative_to(SOURCE)): calls(path) for path in files if calls(path)} == {}


def test_the_search_above_finds_what_it_looks_for(tmp_path: Path) -> None:
    code = ["import pickle", "torch.load('x', weights_only=False)", "yaml.load('x')", "np.load('x', allow_pickle=True)"]
    (tmp_path / "bad.py").write_text("\n".join(code))
    assert sorted(calls(tmp_path / "bad.py")) == [
        "allow_pickle",
        "pickle",
        "torch.load",
        "weights_only",
        "yaml.load",
    ]
