"""What `import tutelage` offers."""

from __future__ import annotations

import dataclasses
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import numpy as np
import pytest
from PIL import Image

import tutelage
from tutelage import config
from tutelage.cli import train_flags
from tutelage.commands.api import Flags, PretrainFlags
from tutelage.core.errors import ConfigError, DataError, RunError

FOR_OWN_CODE = {
    *(
        "Batch",
        "EMATeacher",
        "Method",
        "Problem",
        "Progress",
        "PseudoLabels",
        "Samples",
        "StepOutput",
        "losses",
        "at_least_float32",
    ),
    *("EMAConfig", "Labeled", "SelfSupervisedBatch", "SemiSupervisedBatch", "SupervisedBatch", "Task", "Unlabeled"),
    *("CTAugment", "DenseNetwork", "Network", "RandAugment", "ScanModel"),
    *("CheckpointError", "ConfigError", "DataError", "Interrupted", "MissingExtra", "NonFiniteError", "RunError"),
    "TutelageError",
}

TO_LOOK = {
    *("calibrate", "check", "compare", "embed", "evaluate", "export", "predict", "probe", "report", "score", "show"),
    *(
        "Calibrated",
        "CheckReport",
        "ComparisonTable",
        "Explanation",
        "Exported",
        "MaskScores",
        "Prediction",
        "Predictions",
        "ProbeTable",
        "Score",
        "Scores",
        "Segmentations",
        "Verdict",
    ),
}


def photos(root: Path, each: int = 4) -> Path:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog", "unlabeled"):
        (root / name).mkdir(parents=True)
        for number in range(each):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(root / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tutelage.Run:
    root = tmp_path_factory.mktemp("api")
    return tutelage.train(
        photos(root / "photos"),
        out=root / "run",
        test=photos(root / "test", each=2),
        steps=6,
        batch_size=4,
        log_every=2,
        network="wrn-10-1",
        device="cpu",
        method="mean-teacher",
        settings={"method.ema_decay": 0.9, "optimizer.lr": 0.01},
    )


def test_training_gives_a_run_to_look_at(run: tutelage.Run) -> None:
    assert run.config["settings"]["method"]["ema_decay"] == 0.9
    assert run.config["settings"]["train"]["steps"] == 6
    assert [row["step"] for row in run.history() if "loss" in row] == [2, 4, 6]
    assert run.metrics["test"]["teacher"]["n"] == 4
    assert isinstance(run.model(), tutelage.Model)


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tutelage.train(
        photos(tmp_path / "photos"), out=tmp_path / "run", steps=2, batch_size=4, network="wrn-10-1", device="cpu"
    )
    assert capfd.readouterr() == ("", "")


def test_a_model_is_loaded_predicts_and_is_scored(run: tutelage.Run) -> None:
    model, data = tutelage.load(run.path, device="cpu"), run.path.parent / "test"
    assert model.classes == ("cat", "dog")
    assert (model.step, model.channels, model.image_size) == (6, 3, 8)
    table = model.predict(data).to_frame()
    assert list(table.columns) == ["path", "label", "confidence", "p_cat", "p_dog", "error"]
    assert list(table["path"]) == sorted(table["path"])
    np.testing.assert_allclose(table["p_cat"] + table["p_dog"], 1, atol=1e-6)
    metrics = model.evaluate(data)
    assert metrics["n"] == 4
    assert metrics["accuracy"] == run.metrics["test"]["teacher"]["accuracy"]
    assert metrics["nll"] == pytest.approx(run.metrics["test"]["teacher"]["nll"], rel=1e-5)
    json.dumps(dict(metrics), allow_nan=False)
    assert repr(metrics).startswith("<ImageScores: n 4, accuracy ") and len(repr(metrics)) < 200


def test_a_run_that_is_finished_is_not_trained_again(run: tutelage.Run) -> None:
    before = (run.path / "metrics.jsonl").read_bytes()
    again = tutelage.train(resume=run.path)
    assert again.metrics == run.metrics
    assert (run.path / "metrics.jsonl").read_bytes() == before


def test_the_metrics_of_an_unfinished_run_say_how_to_go_on(run: tutelage.Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((run.path / "config.json").read_bytes())
    with pytest.raises(RunError, match=r"is not finished; continue with resume='.*'"):
        _ = tutelage.Run(tmp_path).metrics


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({"stpes": 5}, ConfigError, "unknown setting stpes; did you mean 'steps'?"),
        ({"steps": 1.5}, ConfigError, "train.steps must be an integer, got 1.5"),
        ({"steps": True}, ConfigError, "train.steps must be an integer, got True"),
        ({"steps": 5, "budget": "1m"}, ConfigError, "train.steps and train.budget are mutually exclusive"),
        ({"settings": {"optimizer.lrr": 1}}, ConfigError, "unknown setting optimizer.lrr; did you mean 'lr'?"),
        ({"settings": {"method.x": 1}, "method": "fixmatch"}, ConfigError, "unknown setting method.x"),
        ({"settings": {"steps": 1}}, ConfigError, "unknown setting steps; did you mean 'train.steps'?"),
        ({"method": "mean-techer"}, ConfigError, "unknown method 'mean-techer'; did you mean 'mean-teacher'?"),
        ({"preset": "x"}, ConfigError, "unknown preset 'x'"),
        ({"config_file": "nowhere.toml"}, ConfigError, "cannot read the settings file nowhere.toml"),
        ({"out": None}, ConfigError, "specify the run folder to create: out='runs/a'"),
        ({"resume": "runs/a"}, ConfigError, "resume uses the settings of the run; it cannot be combined with out"),
        ({"label_count": 100}, DataError, "label_count must be at most the number of labels, 8, got 100"),
        ({"data": None}, ConfigError, "no data: name a folder"),
    ],
)
def test_wrong_words_are_errors_that_leave_nothing_behind(
    words: dict, error: type[Exception], message: str, tmp_path: Path
) -> None:
    given = {"data": photos(tmp_path / "photos"), "out": tmp_path / "runs" / "a", "batch_size": 4, "device": "cpu"}
    with pytest.raises(error) as caught:
        tutelage.train(**{**given, "steps": None, **words})  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert not (tmp_path / "runs").exists()


def test_an_encoder_is_pretrained_gone_on_with_and_trained_from(tmp_path: Path) -> None:
    data = photos(tmp_path / "photos", each=8)
    brief = {"steps": 2, "batch_size": 4, "device": "cpu"}
    settings = {"method.queue_size": 8, "network.width": 4}
    encoder = tutelage.pretrain(data, out=tmp_path / "moco", settings=settings, **brief)  # type: ignore[arg-type]
    assert encoder.config["settings"]["method"]["name"] == "moco-v2"
    assert encoder.metrics["validation"]["student"]["n"] == 16  # no label is held out of so few
    assert tutelage.pretrain(resume=encoder.path).metrics == encoder.metrics
    run = tutelage.train(data, out=tmp_path / "run", method="supervised", init_from=encoder.path, **brief)  # type: ignore[arg-type]
    assert run.config["settings"]["network"]["width"] == 4
    for words, message in (
        ({"method": "fixmatch"}, "fixmatch learns from labels: use tutelage.train; to pretrain without labels use "),
        ({"baseline": True}, "pretraining has no supervised baseline"),
        ({"out": None}, "specify the run folder to create: out='runs/moco'"),
    ):
        with pytest.raises(ConfigError, match=message):
            tutelage.pretrain(data, **{"out": tmp_path / "other", "steps": 2, **words})  # type: ignore[arg-type]
    assert not (tmp_path / "other").exists()


def test_settings_are_given_by_keyword_alone() -> None:
    of_data = (tutelage.train, tutelage.pretrain, tutelage.check, tutelage.show, tutelage.compare)
    of_both = (tutelage.predict, tutelage.evaluate, tutelage.embed, tutelage.probe)
    expected = [(function, ["data"]) for function in of_data]
    expected += [(function, ["run", "data"]) for function in of_both]
    expected += [(tutelage.load, ["run"]), (tutelage.report, ["runs"])]
    for function, positional in expected:
        parameters = inspect.signature(function).parameters.values()
        assert [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD] == positional
    with pytest.raises(TypeError):
        tutelage.train("photos", "runs/a")  # type: ignore[misc]


def test_python_takes_the_same_settings_as_the_command_line() -> None:
    assert set(get_type_hints(Flags)) == set(config.FLAGS) - {"data"}
    of_the_command = {field.name for field in dataclasses.fields(train_flags.PretrainFlags)}
    assert set(get_type_hints(PretrainFlags)) == of_the_command & set(config.FLAGS)
    sections = {name: get_type_hints(cls) for name, cls in config.SECTIONS.items()}
    for name, hint in get_type_hints(Flags).items():
        section, _, setting = config.FLAGS[name].partition(".")
        if name == "labels":  # a table, or what becomes one
            assert {str, Path} < set(get_args(hint))
        elif name in ("metrics", "log"):  # a list of import paths, or of the functions themselves; a list of names
            assert sections[section][setting] == tuple[str, ...]
        elif section != "method":
            asked = {kind for kind in (get_args(hint) or (hint,)) if kind is not Path and get_origin(kind) is not type}
            declared = sections[section][setting]
            assert asked <= set(get_args(declared) or (declared,)), name


@pytest.mark.long
def test_importing_does_no_work() -> None:
    code = (
        "import sys, tutelage; tutelage.ConfigError; assert 'torch' not in sys.modules; "
        "tutelage.train; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_package_is_typed_and_lists_its_names() -> None:
    assert Path(tutelage.__file__).with_name("py.typed").is_file()
    assert (
        set(dir(tutelage))
        == {
            "Model",
            "Run",
            "TutelageClassifier",
            "__version__",
            "clean",
            "label",
            "load",
            "pretrain",
            "select",
            "serve",
            "train",
        }
        | FOR_OWN_CODE
        | TO_LOOK
    )
    for name in dir(tutelage):
        assert getattr(tutelage, name) is not None
        if name != "__version__":
            assert inspect.getdoc(getattr(tutelage, name)), name
    assert tutelage.__all__ == sorted(tutelage.__all__)
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        tutelage.fit  # noqa: B018
