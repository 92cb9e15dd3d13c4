"""Run folders that were changed by hand, with hashes that agree or none: checked like any input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.runs import unsealed

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
    assert code == 0 or (len(said.splitlines()) == 1 and "run holds values that no run has" in said)
