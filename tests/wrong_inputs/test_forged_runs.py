"""Run folders that were changed by hand, with hashes that agree or none: checked like any input."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.runs import change_json, unsealed
from tutelage.core.errors import RunError
from tutelage.run.scored import read_scored

Change = Callable[[dict[str, Any]], object]


def data(**values: object) -> Change:
    return lambda config: config["data"].update(values)


CONFIGS: dict[str, tuple[Change, str]] = {
    "a formula as a class": (
        data(classes=['=HYPERLINK("http://x","y")', "dog"]),
        "starts with '=', which spreadsheets",
    ),
    "a class that turns text around": (data(classes=["\u202ecat", "dog"]), "turn the direction of text"),
    "a class of control characters": (data(classes=["\x1b[2J", "dog"]), "holds control"),
    "a class twice": (data(classes=["cat", "cat"]), "a class is there twice"),
    "classes that are numbers": (data(classes=[1, 2]), r"of its data, classes is \[1, 2\]"),
    "classes that are a text": (data(classes="cat"), "of its data, classes is 'cat'"),
    "no classes": (lambda config: config["data"].pop("classes"), "its data lack classes"),
    "channels that are a text": (data(channels="3"), "of its data, channels is '3'"),
    "negative channels": (data(channels=-3), "of its data, channels is -3"),
    "a size of 0": (data(image_size=0), "of its data, image_size is 0"),
    "a mean that is a text": (data(mean=["a", "b", "c"]), "of its data, mean is "),
    "a negative deviation": (data(std=[-1.0, 1.0, 1.0]), "of its data, std is "),
    "steps that are a text": (lambda config: config["plan"].update(steps="4"), "of its plan, steps is '4'"),
    "negative steps": (lambda config: config["plan"].update(steps=-4), "of its plan, steps is -4"),
    "a version that is a number": (
        lambda config: config["environment"].update(tutelage=1),
        "of its environment, tutelage is no version",
    ),
    "notes that are numbers": (data(notes=[1]), r"of its data, notes is \[1\]"),
}
COMMANDS = {
    "predict": ["predict", "run", "data", "--out", "p.csv"],
    "evaluate": ["evaluate", "run", "data"],
    "report": ["report", "run", "--out", "r.html"],
    "resume": ["train", "--resume", "run"],
    "start": ["train", "data", "--init-from", "run", "--out", "b", "--steps", "2", "--network", "wrn-10-1"],
}


@pytest.mark.parametrize("command", ["predict", "report"])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_that_no_run_has_is_refused(name: str, command: str, world: Any, refused: Any) -> None:
    change, message = CONFIGS[name]
    world.run()
    world.config(change)
    refused(COMMANDS[command], f"run/config.json is damaged: .*{message}")


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_takes_a_forged_class(command: str, world: Any, refused: Any) -> None:
    world.run(finished=command != "resume")
    world.config(data(classes=["=1+1", "dog"]))
    refused(COMMANDS[command], "run/config.json is damaged: class name '=1")


RESULTS: dict[str, Change] = {
    "no evaluated network": lambda result: result.pop("evaluated"),
    "scores that are a list": lambda result: result.update(test=[1], validation=[1]),
    "scores of no network": lambda result: result.update(validation={"student": {}}, test={"student": {}}),
    "a table of no numbers": lambda result: [part.clear() for part in result.values() if isinstance(part, dict)],
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_that_no_run_has_is_refused_or_left_out(
    name: str, world: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    from tutelage import cli

    world.run()
    result = unsealed(Path("run/result.json"))
    RESULTS[name](result)
    world.write("run/result.json", json.dumps(result))
    code = cli.run(["report", "run", "--out", "r.html", "--device", "cpu"])
    said = capfd.readouterr().err
    assert code in (0, 2) and "Traceback" not in said
    named = "run holds values that no run has" in said or "run/result.json is damaged: " in said
    assert code == 0 or (len(said.splitlines()) == 1 and named)


def flip(name: str, place: float = 0.5) -> Callable[[Any], None]:
    """Flip a bit of a file of the run, at that share of its length."""

    def change(world: Any) -> None:
        content = bytearray((world.root / "run" / name).read_bytes())
        content[int(place * len(content))] ^= 1
        world.write(f"run/{name}", bytes(content))

    return change


def write(name: str, content: str | bytes) -> Callable[[Any], None]:
    return lambda world: world.write(f"run/{name}", content)


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def forged_split(world: Any) -> None:
    """A split of other images, without a hash."""
    change_json(world.root / "run" / "split.json", lambda split: split.update(labeled=split["labeled"][::-1]))


NO_RESULT = r"run/result.json is damaged: "
DAMAGED: dict[str, tuple[str, Callable[[Any], object], str]] = {
    **{
        f"a flipped bit in the split at {place}": ("resume", flip("split.json", place), r"run/split.json is damaged")
        for place in (0.1, 0.3, 0.5, 0.7, 0.9)
    },
    "another split": (
        "resume",
        forged_split,
        r"run/split.json is damaged, or was .*: its labeled are not",
    ),
    "a split of nothing": ("resume", write("split.json", "{}"), r"run/split.json is damaged: its keys are not those"),
    "no split": ("resume", lambda w: (w.root / "run/split.json").unlink(), r"cannot read run/split.json: No such file"),
    "scores that are junk": ("report", write("scored.npz", "junk"), r"run/scored.npz is damaged"),
    "scores of another run": (
        "report",
        write("scored.npz", npz(test_label=np.arange(3))),
        r"run/scored.npz is damaged",
    ),
    "a flipped bit in the scores": ("report", flip("scored.npz"), r"run/scored.npz is damaged"),
    "a flipped bit in the log": ("report", flip("metrics.jsonl", 0.51), r"run/metrics.jsonl is damaged"),
    "a log cut in half": ("report", write("metrics.jsonl", ""), r"run/metrics.jsonl is damaged"),
    "a result of nothing": ("report", write("result.json", "{}"), NO_RESULT + "it has no evaluated"),
    "a result that is a list": ("report", write("result.json", "[]"), NO_RESULT + "its keys are not those of a run"),
    "a result of another network": (
        "report",
        write("result.json", '{"method": "mean-teacher", "step": 4, "evaluated": "judge"}'),
        NO_RESULT + "evaluated is 'judge', expected student or teacher",
    ),
    "a result without scores": (
        "report",
        write("result.json", '{"method": "mean-teacher", "step": 4, "evaluated": "teacher", "test": {"teacher": {}}}'),
        NO_RESULT + "test lacks scores of the teacher",
    ),
    "a result that is empty": ("report", write("result.json", ""), NO_RESULT + "it is empty"),
    "a result of nothing, to resume": ("resume", write("result.json", "{}"), NO_RESULT + "it has no evaluated"),
    "a verdict of nothing": (
        "report",
        write("verdict.json", "{}"),
        r"run/verdict.json is damaged: its keys and values",
    ),
    "steps of two types": (
        "predict",
        write("checkpoints/manifest.json", '{"format": 1, "checkpoints": [{"step": "a"}, {"step": 1}]}'),
        r"manifest.json is damaged: its keys and values are not those of a manifest",
    ),
    "a run that is a pipe": (
        "report",
        lambda world: (shutil.rmtree("run"), os.mkfifo("run")),
        r"run is not a run folder: it is a pipe",
    ),
    "a run that is a file": (
        "predict",
        lambda world: (shutil.rmtree("run"), world.write("run", "x")),
        r"run is not a run folder, nor a model exported",
    ),
    "a config that is a pipe": (
        "predict",
        lambda world: (Path("run/config.json").unlink(), os.mkfifo("run/config.json")),
        r"cannot read run/config.json: it is a pipe",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_of_a_run_is_named_by_what_reads_it(name: str, world: Any, refused: Any) -> None:
    command, change, message = DAMAGED[name]
    world.run(finished=command != "resume" or "result" in name)
    change(world)
    refused([*COMMANDS[command], *(["--device", "cpu"] if command in ("report", "predict") else [])], message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"junk", "scored.npz is not a readable file of predictions: "),
        (npz(), r"scored.npz is damaged: expected an array test_label, got nothing"),
        (npz(test_label=np.array([{}], object)), "scored.npz is not a readable file of predictions: "),
        (b"", "scored.npz is not a readable file of predictions: "),
    ],
)
def test_predictions_that_no_run_made_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "scored.npz").write_bytes(content)
    with pytest.raises(RunError, match=message):
        read_scored(tmp_path, "test", "label")
