"""Run folders, results and checkpoints that cannot be used, through the real command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from filelock import FileLock

from support.runs import unsealed

TRAIN = ["--method", "mean-teacher", "--steps", "4", "--device", "cpu"]


def resume(damage: Callable[[Any], object], *words: str) -> Callable[[Any], list[str]]:
    """Going on with a run that was stopped, after `damage` was done."""
    return lambda w: last(w.run(finished=False), damage(w), ["train", "--resume", "run", *words])


def use(damage: Callable[[Any], object], *command: str) -> Callable[[Any], list[str]]:
    """This command, where there is a finished run in `run` and its data in `data`, after `damage` was done."""
    return lambda w: last(w.run(), damage(w), list(command))


def last(*done: Any) -> Any:
    """The last of what was done one after the other: the command."""
    return done[-1]


def nothing(world: Any) -> None:
    pass


def flip(name: str, at: int = -100) -> Callable[[Any], None]:
    """Changes one bit of each file of that name."""

    def damage(world: Any) -> None:
        for path in world.root.glob(name):
            content = bytearray(path.read_bytes())
            content[at] ^= 1
            path.write_bytes(bytes(content))

    return damage


def cut(name: str) -> Callable[[Any], None]:
    """Cuts each file of that name in half."""

    def damage(world: Any) -> None:
        for path in world.root.glob(name):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return damage


def replaced(name: str, old: bytes, new: bytes) -> Callable[[Any], None]:
    """Replaces some bytes of a file."""

    def damage(world: Any) -> None:
        path = world.root / name
        assert old in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(old, new))

    return damage


def recorded(change: Callable[[dict], object]) -> Callable[[Any], None]:
    return lambda world: world.config(change)


def manifest(change: Callable[[dict], object]) -> Callable[[Any], None]:
    def damage(world: Any) -> None:
        path = world.root / "run/checkpoints/manifest.json"
        content = unsealed(path)
        change(content)
        path.write_text(json.dumps(content))

    return damage


def lock(world: Any) -> None:
    world.lock = FileLock(world.root / "run" / ".lock", timeout=0)  # held until the test ends
    world.lock.acquire()


PLACES: dict[str, tuple[Callable[[Any], list[str]], str]] = {
    "a run that is there": (
        use(nothing, "train", "data", "--out", "run", *TRAIN),
        r"run holds a run already; resume it with --resume run, or replace it with --overwrite",
    ),
    "photos as the run folder": (
        use(nothing, "train", "data", "--out", "data", *TRAIN),
        r"data exists and is not a run folder \(it holds 'cat'\); choose a new folder",
    ),
    "photos as the run folder, to be replaced": (
        use(nothing, "train", "data", "--out", "data", "--overwrite", *TRAIN),
        r"data exists and is not a run folder \(it holds 'cat'\); choose a new folder",
    ),
    "a run folder with photos in it, to be replaced": (
        use(lambda w: w.image("run/cat.png"), "train", "data", "--out", "run", "--overwrite", *TRAIN),
        r"run exists and is not a run folder \(it holds 'cat.png'\); choose a new folder",
    ),
    "a file as the run folder": (
        use(lambda w: w.write("file", "x"), "train", "data", "--out", "file", "--overwrite", *TRAIN),
        r"the run folder file is a file; choose a new folder",
    ),
    "a run folder below a file": (
        use(lambda w: w.write("file", "x"), "train", "data", "--out", "file/run", *TRAIN),
        r"cannot create the run folder file/run: .*file is not a folder",
    ),
    "a run folder that cannot be made": (
        use(nothing, "train", "data", "--out", "/proc/run", *TRAIN, "--unlabeled-ratio", "0.1"),
        r"cannot create the run folder /proc/run: ",
    ),
    "a run that another process writes": (
        use(lock, "train", "data", "--out", "run", "--overwrite", *TRAIN, "--unlabeled-ratio", "0.1"),
        r"run is in use by another process",
    ),
    "bad data, an old run to be replaced": (
        use(lambda w: w.write("data/cat/9.png", ""), "train", "data", "--out", "run", "--overwrite", *TRAIN),
        r"cat/9.png is empty \(0 bytes\)",
    ),
    "bad settings, an empty folder as the run folder": (
        use(lambda w: w.path("b/c").parent, "train", "data", "--out", "b", "--label-count", "1", *TRAIN),
        r"--label-count must be at least 2, one label per class, got 1",
    ),
    "bad settings, an old run to be replaced": (
        use(nothing, "train", "data", "--out", "run", "--overwrite", "--label-count", "1", *TRAIN),
        r"--label-count must be at least 2, one label per class, got 1",
    ),
}

RESUMED: dict[str, tuple[Callable[[Any], list[str]], str]] = {
    "a run that is not there": (
        use(nothing, "train", "--resume", "nur"),
        r"nur is not a run folder: there is no such folder",
    ),
    "a folder that is no run": (use(nothing, "train", "--resume", "data"), r"data is not a run folder: it has no con"),
    "a config.json cut in half": (resume(cut("run/config.json")), r"run/config.json is damaged: "),
    "a config.json that is a list": (
        resume(lambda w: w.write("run/config.json", "[]")),
        r"run/config.json is damaged: its keys are not those of a run",
    ),
    "a config.json without its plan": (
        resume(recorded(lambda c: c.pop("plan"))),
        r"run/config.json is damaged: it has no plan",
    ),
    "a config.json whose settings are a text": (
        resume(recorded(lambda c: c.update(settings="x"))),
        r"run/config.json is damaged: it has no settings",
    ),
    "a config.json with an unknown setting": (
        resume(recorded(lambda c: c["settings"]["train"].update(stpes=4))),
        r"run/config.json is damaged, or was written by another version of tutelage: unknown setting train.stpes",
    ),
    "a config.json without a fact of the data": (
        resume(recorded(lambda c: c["data"].pop("fingerprint"))),
        r"run/config.json is damaged: .*fingerprint",
    ),
    "a config.json with another network": (
        resume(recorded(lambda c: c["settings"]["network"].update(name="wrn-10-2"))),
        r"checkpoint of step 4 does not fit: ",
    ),
    "a run of a newer format": (
        resume(recorded(lambda c: c.update(format=99, version="7.0"))),
        r"run was written by tutelage 7.0; this version cannot read it",
    ),
    "a run of another major version": (
        resume(recorded(lambda c: c["environment"].update(tutelage="7.0"))),
        r"run was started by tutelage 7.0, this is ",
    ),
    "a run that another process goes on with": (resume(lock), r"run is in use by another process"),
    "two damaged checkpoints": (
        resume(flip("run/checkpoints/*.safetensors")),
        r"no usable checkpoint in run/checkpoints; damaged: step-0+4.*its content does not match its hash.*step-0+2",
    ),
    "checkpoints cut in half": (resume(cut("run/checkpoints/*.safetensors")), r"no usable checkpoint.*damaged: step-"),
    "no checkpoints": (
        resume(lambda w: shutil.rmtree(w.root / "run/checkpoints")),
        r"no checkpoint in run/checkpoints",
    ),
    "checkpoints that the manifest names in vain": (
        resume(lambda w: [path.unlink() for path in (w.root / "run/checkpoints").glob("*.safetensors")]),
        r"no usable checkpoint in run/checkpoints; damaged: step-0+4.safetensors \(No such file",
    ),
    "a manifest cut in half": (resume(cut("run/checkpoints/manifest.json")), r"manifest.json is damaged: "),
    "a manifest of a newer format": (
        resume(manifest(lambda m: m.update(format=9))),
        r"manifest.json is in format 9; this version reads up to 1",
    ),
    "a manifest of another step": (
        resume(replaced("run/checkpoints/manifest.json", b'"step": 2', b'"step": 3')),
        r"manifest.json is damaged, or was changed by hand: its content does not match its sha256",
    ),
    "a config.json with another rate": (
        resume(replaced("run/config.json", b'"lr": 0.0', b'"lr": 0.1')),
        r"config.json is damaged, or was changed by hand: its content does not match its sha256",
    ),
    "a manifest that leads out of the folder": (
        resume(manifest(lambda m: m["checkpoints"][-1].update(file="../../x"))),
        r"manifest.json names a file outside its folder: '../../x'",
    ),
    "a manifest whose log has no hash": (
        resume(
            manifest(
                lambda m: m["checkpoints"][-1]["log"].update({"9ha256": m["checkpoints"][-1]["log"].pop("sha256")})
            )
        ),
        r"manifest.json is damaged: an entry lacks its size or hash",
    ),
    "a manifest whose step is text": (
        resume(manifest(lambda m: m["checkpoints"][-1].update(step="2"))),
        r"manifest.json is damaged: ",
    ),
    "a manifest whose entries are numbers": (
        resume(manifest(lambda m: m.update(checkpoints=[1, 2]))),
        r"manifest.json is damaged: ",
    ),
    "another number of steps": (
        resume(nothing, "--steps", "9"),
        r"--resume keeps the settings of run: --steps is 4, not 9. Start a new run to change them",
    ),
    "a budget instead of steps": (resume(nothing, "--budget", "1m"), r"run was planned for (a budget of None|.*), not"),
    "another seed and another rate": (
        resume(nothing, "--seed", "9", "--optimizer.lr", "1"),
        r"--optimizer.lr is 0.03, not 1.0; --seed is 0, not 9",
    ),
    "another setting of the method": (
        resume(nothing, "--method.ema-decay", "0.5"),
        r"--method.ema-decay is 0.0, not 0.5. Start a new run",
    ),
    "another method": (resume(nothing, "--method", "supervised"), r"--method is 'mean-teacher', not 'supervised'"),
    "a mistyped setting": (resume(nothing, "--method.ema-decya", "1"), r"unknown setting --method.ema-decya; did you"),
    "other data by name": (
        lambda w: last(w.run(finished=False), w.photos("other"), ["train", "other", "--resume", "run"]),
        r"data.path is '.*/data', not '.*/other'",
    ),
    "a preset": (
        resume(nothing, "--preset", "x"),
        r"--resume uses the settings of the run; it cannot be combined with --preset",
    ),
    "a second run folder": (
        resume(nothing, "--out", "b"),
        r"--resume uses the settings .*; it cannot be combined with --out",
    ),
    "one bit of an image": (
        resume(flip("data/cat/0.png", -30)),
        r"the data changed since run started|data/cat/0.png cannot be decoded",
    ),
    "one image changed": (
        resume(lambda w: shutil.copy(w.root / "data/cat/0.png", w.root / "data/cat/1.png")),
        r"the data changed since run started .*: restore it, or start a new run",
    ),
    "one label changed": (
        resume(lambda w: (w.root / "data/cat/0.png").rename(w.root / "data/dog/x.png")),
        r"the data changed since run started",
    ),
    "one image more": (resume(lambda w: w.image("data/unlabeled/x.png")), r"the data changed since run started"),
    "one image less": (
        resume(lambda w: (w.root / "data/unlabeled/0.png").unlink()),
        r"the data changed since run started",
    ),
    "a class renamed": (
        resume(lambda w: (w.root / "data/cat").rename(w.root / "data/Cat")),
        r"the classes of the data changed since run started: .*'cat'.* to .*'Cat'",
    ),
    "the data gone": (resume(lambda w: shutil.rmtree(w.root / "data")), r"data: no such file or folder"),
}

STARTED: dict[str, tuple[Callable[[Any], list[str]], str]] = {
    "a start from a run that is not there": (
        use(nothing, "train", "data", "--out", "b", *TRAIN, "--unlabeled-ratio", "0.1", "--init-from", "nur"),
        r"nur is not a run folder: there is no such folder",
    ),
    "a start from photos": (
        use(nothing, "train", "data", "--out", "b", *TRAIN, "--unlabeled-ratio", "0.1", "--init-from", "data"),
        r"data is not a run folder: it has no config.json",
    ),
    "a start from another network": (
        use(
            nothing,
            *("train", "data", "--out", "b", *TRAIN, "--unlabeled-ratio", "0.1", "--network", "wrn-16-1"),
            *("--init-from", "run"),
        ),
        r"--init-from .*run: its network 'wrn-10-1' does not fit .*; use the same network",
    ),
    "a start from damaged checkpoints": (
        use(
            flip("run/checkpoints/*.safetensors"),
            *("train", "data", "--out", "b", *TRAIN, "--unlabeled-ratio", "0.1", "--network", "wrn-10-1"),
            *("--init-from", "run"),
        ),
        r"no usable checkpoint in .*run/checkpoints; damaged: ",
    ),
}

SCORED: dict[str, tuple[Callable[[Any], list[str]], str]] = {
    "an evaluation of no run": (use(nothing, "evaluate", "nur", "data"), r"nur is not a run folder: there is no such"),
    "an evaluation of photos": (use(nothing, "evaluate", "data", "data"), r"data is not a run folder: it has no conf"),
    "an evaluation of a damaged run": (
        use(flip("run/checkpoints/*.safetensors"), "evaluate", "run", "data"),
        r"no usable checkpoint in run/checkpoints; damaged: ",
    ),
    "an evaluation of a damaged config": (
        use(recorded(lambda c: c["data"].pop("mean")), "evaluate", "run", "data"),
        r"run/config.json is damaged: .*mean",
    ),
    "an evaluation of a network that does not fit": (
        use(recorded(lambda c: c["settings"]["network"].update(name="wrn-10-2")), "evaluate", "run", "data"),
        r"the weights in run do not fit its network: ",
    ),
    "an evaluation on nothing": (use(nothing, "evaluate", "run", "dta"), r"dta: no such file or folder; did you mean"),
    "an evaluation on unlabeled images": (
        use(nothing, "evaluate", "run", "data/unlabeled"),
        r"data/unlabeled holds images \(6\) and no labels",
    ),
    "an evaluation on other classes": (
        use(lambda w: w.photos("other", ("cat", "bird", "fish")), "evaluate", "run", "other"),
        r"other: 8 images have labels that the model does not know \('bird', 'fish'\); known: cat, dog",
    ),
    "an evaluation on an unreadable image": (
        use(lambda w: w.write("data/cat/9.png", ""), "evaluate", "run", "data"),
        r"data/cat/9.png is empty \(0 bytes\)",
    ),
    "an evaluation of an unknown network": (
        use(nothing, "evaluate", "run", "data", "--network", "techer"),
        r"--network must be one of auto, student, teacher, got 'techer'",
    ),
    "an evaluation on a GPU that is not there": (
        use(nothing, "evaluate", "run", "data", "--device", "cuda:77"),
        r"device cuda:77: this machine has \d+ CUDA devices",
    ),
    "an evaluation over other results": (
        use(lambda w: w.write("m.json", "mine"), "evaluate", "run", "data", "--out", "m.json"),
        r"m.json exists; name another file, or replace it with --overwrite",
    ),
    "metrics that are no JSON": (
        use(nothing, "evaluate", "run", "data", "--out", "m.csv"),
        r"cannot write m.csv: the name must end in .json",
    ),
    "a page of an evaluation that is no page": (
        use(nothing, "evaluate", "run", "data", "--report", "m.pdf"),
        r"cannot write m.pdf: the name must end in .html or .htm",
    ),
    "an evaluation into a folder": (use(nothing, "evaluate", "run", "data", "--out", "run"), r"run is a folder; name"),
    "an evaluation into no folder": (
        use(nothing, "evaluate", "run", "data", "--out", "no/m.json"),
        r"cannot write no/m.json: there is no folder .*no",
    ),
    "a label table for an evaluation that is not there": (
        use(nothing, "evaluate", "run", "data", "--labels", "l.csv"),
        r"l.csv: no such file",
    ),
}

PREDICTED: dict[str, tuple[Callable[[Any], list[str]], str]] = {
    "predictions of no run": (use(nothing, "predict", "nur", "data", "--out", "p.csv"), r"nur is not a run folder"),
    "predictions that are no CSV": (
        use(nothing, "predict", "run", "new", "--out", "p.xyz"),
        r"cannot write p.xyz: the name must end in .csv",
    ),
    "a page of predictions that is no page": (
        use(nothing, "predict", "run", "new", "--out", "p.csv", "--report", "p.pdf"),
        r"cannot write p.pdf: the name must end in .html or .htm",
    ),
    "a report that is no page": (
        use(nothing, "report", "run", "--out", "r.pdf"),
        r"cannot write r.pdf: the name must end in .html or .htm",
    ),
    "a report in another format than its name": (
        use(nothing, "report", "run", "--format", "md", "--out", "r.html"),
        r"cannot write r.html: the name must end in .md",
    ),
    "findings that are no JSON": (
        use(nothing, "check", "data", "--out", "c.txt"),
        r"cannot write c.txt: the name must end in .json",
    ),
    "predictions for nothing": (use(nothing, "predict", "run", "new", "--out", "p.csv"), r"new: no such file or fold"),
    "predictions for an empty folder": (
        use(lambda w: w.path("new/x/y"), "predict", "run", "new", "--out", "p.csv"),
        r"new holds no images \(known suffixes: ",
    ),
    "predictions for an empty list": (
        use(lambda w: w.write("list.txt", "\n\n"), "predict", "run", "list.txt", "--out", "p.csv"),
        r"list.txt names no images: expected one path per line",
    ),
    "predictions for a list that is no text": (
        use(lambda w: w.write("list.txt", b"\xff\xfe"), "predict", "run", "list.txt", "--out", "p.csv"),
        r"list.txt is not UTF-8 text with one path per line",
    ),
    "predictions for a table without paths": (
        use(lambda w: w.write("list.csv", "file\na.png\n"), "predict", "run", "list.csv", "--out", "p.csv"),
        r"list.csv line 1: no column 'path'",
    ),
    "predictions for a file of another kind": (
        use(lambda w: w.write("a.doc", "x"), "predict", "run", "a.doc", "--out", "p.csv"),
        r"a.doc is a file of another kind; expected",
    ),
    "predictions for a damaged shard": (
        use(lambda w: w.write("a.tar", "x" * 600), "predict", "run", "a.tar", "--out", "p.csv"),
        r"a.tar is damaged or not a tar file",
    ),
    "predictions over others": (
        use(lambda w: w.write("p.csv", "mine"), "predict", "run", "data", "--out", "p.csv"),
        r"p.csv exists; name another file, or replace it with --overwrite",
    ),
    "predictions into a folder": (use(nothing, "predict", "run", "data", "--out", "data"), r"data is a folder; name"),
    "predictions by half a worker": (
        use(nothing, "predict", "run", "data", "--out", "p.csv", "--workers", "0.5"),
        r"--workers must be an integer, got '0.5'",
    ),
    "predictions by too many workers": (
        use(nothing, "predict", "run", "data", "--out", "p.csv", "--workers", "9999"),
        r"--workers must be in \[0, 256\], got 9999",
    ),
    "predictions of a damaged run": (
        use(cut("run/checkpoints/*"), "predict", "run", "data", "--out", "p.csv"),
        r"manifest.json is damaged",
    ),
}

CASES = PLACES | RESUMED | STARTED | SCORED | PREDICTED


@pytest.mark.parametrize("name", CASES)
def test_runs_and_results_that_cannot_be_used_are_refused(name: str, world: Any, refused: Any) -> None:
    arrange, message = CASES[name]
    refused(arrange(world), message)


@pytest.mark.parametrize("command", ["train --resume run", "train --resume run --steps 4 --seed 0 data"])
def test_a_finished_run_is_left_as_it_is(command: str, world: Any, capfd: pytest.CaptureFixture[str]) -> None:
    from tutelage import cli

    world.run()
    before = {path: path.read_bytes() for path in world.root.rglob("*") if path.is_file()}
    assert cli.run(command.split()) == 0
    assert "run is finished already; its metrics are in result.json" in capfd.readouterr().out
    assert before == {path: path.read_bytes() for path in world.root.rglob("*") if path.is_file()}
