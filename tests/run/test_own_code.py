"""Methods, networks and metrics of other packages, named by their import path."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import tutelage
from tutelage import cli
from tutelage.core.batch import Batch, Progress, StepOutput
from tutelage.core.errors import ConfigError
from tutelage.methods.base import Method
from tutelage.methods.fixmatch import FixMatch
from tutelage.results.compare.plan import Combination

MODULE = "code_of_a_user"
CODE = '''
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import nn

from tutelage.core.batch import StepOutput
from tutelage.methods.base import Method
from tutelage.networks.base import Network


class Mine(Method):
    """Mine: a method of a test."""

    name, evaluated = "mine", "student"
    labeled_views, unlabeled_views = ("weak",), ("weak",)

    @dataclass(frozen=True, kw_only=True)
    class Config:
        weight: Annotated[float, "of the squared logits"] = 0.5

        def __post_init__(self):
            assert self.weight != 13

    def forward(self, batch, t):
        x, u = batch.labeled, batch.unlabeled
        supervised = self.task.loss(self.student(x.views[0]), x.label)
        unlabeled = self.cfg.weight * self.student(u.views[0]).square().mean()
        log = {"supervised": supervised.detach()}
        return StepOutput(supervised + unlabeled, log, unlabeled_loss=unlabeled.detach())


class Plain(Mine):
    name = "plain"


class LabeledOnly(Mine):
    name, unlabeled_views = "labeled-only", ()

    def forward(self, batch, t):
        return StepOutput(self.task.loss(self.student(batch.labeled.views[0]), batch.labeled.label), {})


class Clash(Mine):
    name = "fixmatch"


class Nameless(Method):
    evaluated = "student"

    def forward(self, batch, t): ...


class Unscored(Nameless):
    name, evaluated = "unscored", "both"


class Formless(Method):
    name, evaluated = "formless", "student"


class Numbered(Mine):
    name = 3


class Unset(Mine):
    unlabeled_views = None


class Unlabeled(Mine):
    labeled_views = None


class Word(Mine):
    unlabeled_views = "weak"


class Property(Mine):
    @property
    def unlabeled_views(self):
        return ("weak",)


class Viewless(Mine):
    labeled_views = unlabeled_views = ()


class Tasked(Mine):
    tasks = "classification"


class Detecting(Mine):
    tasks = ("detection",)


class Settled(Mine):
    Config = None


class Loose(Mine):
    name = "loose"

    class Config(Mine.Config):
        lost: int = 3


class Raising(Mine):
    name = "raising"

    def forward(self, batch, t):
        raise LookupError("nothing there")


class Tensorial(Mine):
    name = "tensorial"

    def forward(self, batch, t):
        return super().forward(batch, t).loss


class Net(Network):
    """A network of a test."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        depth: Annotated[int, "number of layers"] = 1
        width: Annotated[int, "number of channels"] = 4

    def __init__(self, num_classes, channels, cfg):
        super().__init__()
        layers = [nn.Conv2d(cfg.width, cfg.width, 1) for _ in range(cfg.depth - 1)]
        self.body = nn.Sequential(nn.Conv2d(channels, cfg.width, 3), nn.BatchNorm2d(cfg.width), *layers)
        self.head = nn.Linear(cfg.width, num_classes)

    def features(self, images):
        return self.body(images).mean((2, 3))


class Tuples(Mine):
    name = "tuples"

    @dataclass(frozen=True, kw_only=True)
    class Config(Mine.Config):
        t: Annotated[tuple[float, ...], "thresholds"] = (0.5, 0.9)
        whole: Annotated[float, "a number that is written without a point"] = 1


class TupleNet(Net):
    @dataclass(frozen=True, kw_only=True)
    class Config(Net.Config):
        widths: Annotated[tuple[int, ...], "a setting that is not used"] = (4, 8)


class Bare(Network):
    def __init__(self, num_classes, channels):
        super().__init__()
        self.head = nn.Linear(channels, num_classes)

    def features(self, images):
        return images.mean((2, 3))


class Headless(Bare):
    def __init__(self, num_classes, channels):
        super().__init__(num_classes, channels)
        del self.head


class Crooked(Bare):
    def features(self, images):
        return images.mean(2)


def brier(probs, labels):
    return (probs - F.one_hot(labels, probs.shape[1])).square().sum(1).mean()


def accuracy(probs, labels):
    return 1.0


def broken(probs, labels):
    raise ZeroDivisionError("by zero")


def endless(probs, labels):
    return float("inf")


def undefined(probs, labels):
    return torch.tensor(float("nan"))


def several(probs, labels):
    return probs.new_zeros(2)


def nothing(probs, labels):
    return None


def spelled(probs, labels):
    return "0.5"


def small(probs, labels):
    assert set(labels.tolist()) == set(range(probs.shape[1]))
    if len(labels) > 300:
        raise ValueError("too many")
    return 0.5


constant = 3
'''
SMALL = {"steps": 4, "batch_size": 16, "label_count": 40, "log_every": 2, "eval_every": 4, "workers": 0}


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with the module of a user in it."""
    (tmp_path / f"{MODULE}.py").write_text(CODE)
    (tmp_path / "broken_code.py").write_text("import code_that_is_nowhere\n")
    (tmp_path / "raising_code.py").write_text("raise ValueError('not today')\n")
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    yield tmp_path
    assert sys.path == path
    for name in (MODULE, "broken_code", "raising_code"):
        sys.modules.pop(name, None)


def module() -> Any:
    __import__(MODULE) if MODULE in sys.modules else cli.run(["methods", f"{MODULE}:Mine"])
    return sys.modules[MODULE]


def flags(out: str, *more: str) -> list[str]:
    settings = [word for name, value in SMALL.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return ["train", "digits", "--out", out, "--no-report", *settings, *more]


def test_method_network_and_metric_of_a_user_train_resume_and_predict(
    code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = ["--method", f"{MODULE}:Mine", "--network", f"{MODULE}:Net", "--metrics", f"{MODULE}:brier"]
    assert cli.run(flags("a", *own, "--method.weight", "0.25", "--network.depth", "2")) == 0
    assert "brier" in capsys.readouterr().out
    settings = json.loads(Path("a/config.json").read_text())["settings"]
    assert settings["method"] == {"name": f"{MODULE}:Mine", "weight": 0.25}
    assert settings["network"] == {"name": f"{MODULE}:Net", "bn_splits": None, "depth": 2, "width": 4}
    assert settings["train"]["metrics"] == [f"{MODULE}:brier"]
    result = json.loads(Path("a/result.json").read_text())
    assert result["method"] == "mine"
    assert 0 < result["test"]["student"]["brier"] < 2
    line = json.loads(Path("a/metrics.jsonl").read_text().splitlines()[0])
    assert line["unlabeled_loss"] > 0

    sys.modules.pop(MODULE)  # as in a new process
    model = tutelage.load("a")
    assert isinstance(model, tutelage.Model)
    assert type(model.network).__name__ == "Net"
    assert model.probabilities(torch.zeros(2, 1, 8, 8, dtype=torch.uint8).numpy()).shape == (2, 10)

    sys.modules.pop(MODULE)
    metrics = model.evaluate("digits")
    assert metrics["n"] == result["test"]["student"]["n"]
    assert metrics["brier"] == pytest.approx(result["test"]["student"]["brier"], abs=1e-6)
    capsys.readouterr()
    assert cli.run(["evaluate", "a", "digits", "--out", "m.json", "--report", "m.html"]) == 0
    assert f"brier  {metrics['brier']:.4g}" in capsys.readouterr().out
    assert json.loads(Path("m.json").read_text())["brier"] == metrics["brier"]
    assert f"{metrics['brier']:.4g}" in Path("m.html").read_text()

    Path("a/result.json").unlink()
    sys.modules.pop(MODULE)
    assert cli.run(["train", "--resume", "a", "--no-report", "--network.depth", "2"]) == 0
    assert json.loads(Path("a/result.json").read_text()) == result
    assert cli.run(["train", "--resume", "a", "--network.depth", "3"]) == 2
    assert "network.depth is 2, not 3" in capsys.readouterr().err.replace("'", "")


def test_classes_and_functions_in_python_are_recorded_by_their_import_path(code: Path) -> None:
    own = module()
    run = tutelage.train("digits", out="a", method=own.Mine, network=own.Net, metrics=[own.brier], **SMALL)  # type: ignore[arg-type]
    assert run.config["settings"]["method"]["name"] == f"{MODULE}:Mine"
    assert run.config["settings"]["network"]["name"] == f"{MODULE}:Net"
    assert "brier" in run.metrics["test"]["student"]


def test_a_class_of_the_package_is_recorded_by_its_name(code: Path) -> None:
    run = tutelage.train("digits", out="a", method=FixMatch, **SMALL)  # type: ignore[arg-type]
    assert run.config["settings"]["method"]["name"] == "fixmatch"


def test_a_network_without_settings_is_called_with_classes_and_channels_alone(code: Path) -> None:
    run = tutelage.train("digits", out="a", method="supervised", network=f"{MODULE}:Bare", **SMALL)  # type: ignore[arg-type]
    assert run.config["settings"]["network"] == {"name": f"{MODULE}:Bare", "bn_splits": None}


def test_settings_come_from_a_file_too(code: Path) -> None:
    Path("s.toml").write_text(
        f'[method]\nname = "{MODULE}:Mine"\nweight = 0.1\n[network]\nname = "{MODULE}:Net"\ndepth = 3\n'
    )
    assert cli.run(flags("a", "--config", "s.toml")) == 0
    settings = json.loads(Path("a/config.json").read_text())["settings"]
    assert (settings["method"]["weight"], settings["network"]["depth"]) == (0.1, 3)


def test_the_network_of_a_file_may_be_named_on_the_command_line(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("s.toml").write_text("[method]\nname = 'supervised'\n[network]\ndepth = 3\n")
    own = ["--config", "s.toml", "--network", f"{MODULE}:Net"]
    assert cli.run(flags("a", *own, "--network.width", "2")) == 0
    settings = json.loads(Path("a/config.json").read_text())["settings"]
    assert settings["network"] == {"name": f"{MODULE}:Net", "bn_splits": None, "depth": 3, "width": 2}
    assert cli.run(flags("b", "--config", "s.toml")) == 2
    assert "s.toml: unknown setting network.depth" in capsys.readouterr().err
    Path("s.toml").write_text("[network]\ndpeth = 3\n")
    assert cli.run(flags("b", *own)) == 2
    assert "unknown setting network.dpeth; did you mean 'depth'?" in capsys.readouterr().err


def test_a_network_named_on_the_command_line_decides_which_settings_of_a_file_are_known(
    code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("s.toml").write_text(f'[network]\nname = "{MODULE}:Net"\ndepth = 3\n')
    assert cli.run(flags("a", "--config", "s.toml", "--network", "small")) == 2
    assert "unknown setting network.depth" in capsys.readouterr().err
    Path("s.toml").write_text("[network]\ndepth = 3\n")
    run = tutelage.train("digits", out="a", method="supervised", network=f"{MODULE}:Net", config_file="s.toml", **SMALL)  # type: ignore[arg-type]
    assert run.config["settings"]["network"]["depth"] == 3


def test_tutelage_methods_shows_the_settings_of_a_users_classes(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["methods", f"{MODULE}:Mine"]) == 0
    shown = capsys.readouterr().out
    assert "Mine: a method of a test." in shown and "--method.weight" in shown and "of the squared logits" in shown
    assert cli.run(["methods", f"{MODULE}:Net"]) == 0
    shown = capsys.readouterr().out
    assert "A network of a test." in shown and "--network.depth" in shown and "number of layers" in shown
    assert cli.run(["methods", f"{MODULE}:brier"]) == 2


WRONG = [
    (["--method", "nowhere:Mine"], "there is no module 'nowhere'"),
    (["--method", f"{MODULE}.deep:Mine"], f"there is no module '{MODULE}.deep'"),
    (["--method", f"{MODULE}:Mien"], "the module has no 'Mien'; did you mean 'Mine'?"),
    (["--method", f"{MODULE}:Net"], "is not a subclass of tutelage.Method"),
    (["--method", f"{MODULE}:brier"], "is not a subclass of tutelage.Method"),
    (["--method", f"{MODULE}:Clash"], "the name 'fixmatch' is that of a method of tutelage"),
    (["--method", f"{MODULE}:Nameless"], "must have a class attribute `name`, a text, got None"),
    (["--method", f"{MODULE}:Numbered"], "must have a class attribute `name`, a text, got 3"),
    (["--method", f"{MODULE}:Unset"], "`unlabeled_views` must be a tuple of names"),
    (["--method", f"{MODULE}:Unset"], "or () if it takes none, got None"),
    (["--method", f"{MODULE}:Unlabeled"], "`labeled_views` must be a tuple of names, such as ('weak',)"),
    (["--method", f"{MODULE}:Word"], "or () if it takes none, got 'weak'"),
    (["--method", f"{MODULE}:Property"], "`unlabeled_views` must be a tuple of names"),
    (["--method", f"{MODULE}:Viewless"], "takes no images: set `labeled_views`, `unlabeled_views`, or both"),
    (["--method", f"{MODULE}:Tasked"], "`tasks` must be a tuple of names, such as ('classification',), got"),
    (["--method", f"{MODULE}:Detecting"], "`tasks` must be one or more of classification, segmentation, represent"),
    (["--method", f"{MODULE}:Settled"], "its Config must be decorated with @dataclass"),
    (["--method", f"{MODULE}:Unscored"], "must have a class attribute `evaluated`"),
    (["--method", f"{MODULE}:Formless"], "must define forward"),
    (["--method", f"{MODULE}:Loose"], "its Config must be decorated with @dataclass"),
    (["--method", f"{MODULE}:Mine", "--method.wieght", "1"], "unknown setting --method.wieght; did you mean 'weight'?"),
    (["--method", f"{MODULE}:Mine", "--method.weight", "much"], "method.weight must be a number, got 'much'"),
    (
        ["--method", f"a/b:{MODULE}"],
        "method must be the name of a method or an import path such as package.module:Name",
    ),
    (["--method", "broken_code:Mine"], "the module needs 'code_that_is_nowhere', which is not installed"),
    (["--method", "raising_code:Mine"], "importing it failed with ValueError: not today"),
    (["--network", f"{MODULE}:Mine"], "is not a subclass of tutelage.Network"),
    (["--network", f"{MODULE}:Nets"], "the module has no 'Nets'; did you mean 'Net'?"),
    (["--network", f"{MODULE}:Net", "--network.dpeth", "1"], "unknown setting network.dpeth; did you mean 'depth'?"),
    (["--network", f"{MODULE}:Net", "--network.depth", "x"], "network.depth must be an integer, got 'x'"),
    (["--network", f"{MODULE}:Bare", "--network.depth", "1"], "has no settings"),
    (["--network", f"{MODULE}:Headless"], "does not work: AttributeError"),
    (["--network", f"{MODULE}:Crooked"], "does not work: RuntimeError"),
    (["--network.depth", "1"], "unknown setting --network.depth"),
    (["--metrics", "brier"], "--metrics must be an import path such as package.module:Name, got 'brier'"),
    (["--metrics", f"{MODULE}:constant"], "is not a function of (probs, labels)"),
    (["--metrics", f"{MODULE}:accuracy"], "a score named 'accuracy' already exists; rename the function"),
    (["--metrics", f"{MODULE}:brier,{MODULE}:brier"], "names two functions 'brier'; rename one"),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_a_wrong_import_path_is_one_line_before_anything_is_trained(
    words: list[str], message: str, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(flags("a", *words)) == 2
    error = capsys.readouterr().err
    assert message in error.replace("\n", " ") and len(error.splitlines()) == 1
    assert not Path("a").exists() or not list(Path("a").glob("checkpoints/*"))


@pytest.mark.parametrize("name", ["Unset", "Word", "Tasked", "Numbered", "Settled"])
def test_a_wrong_attribute_of_a_method_is_one_line_in_the_catalog(
    name: str, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["methods", f"{MODULE}:{name}"]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and f"{MODULE}:{name}" in error and "bug in tutelage" not in error


METRICS = [
    ("math:sqrt", "the metric sqrt failed with TypeError: "),
    (f"{MODULE}:broken", "the metric broken failed with ZeroDivisionError: by zero"),
    (f"{MODULE}:endless", "the metric endless must be a finite number, got inf"),
    (f"{MODULE}:undefined", "the metric undefined must be a finite number, got nan"),
    (f"{MODULE}:several", "the metric several must return one number, got Tensor of shape (2,)"),
    (f"{MODULE}:nothing", "the metric nothing must return one number, got None"),
    (f"{MODULE}:spelled", "the metric spelled must return one number, got str"),
]


@pytest.mark.parametrize(("name", "message"), METRICS, ids=[name for name, _ in METRICS])
def test_a_metric_that_fails_is_one_line_before_training(
    name: str, message: str, code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(flags("a", "--method", "supervised", "--metrics", f"{MODULE}:brier,{name}")) == 2
    said = capsys.readouterr()
    assert f"tutelage: --metrics: {message}" in said.err and "before training" in said.err
    assert len(said.err.splitlines()) == 1 and "supervised" not in said.out
    assert not Path("a").exists()


def test_a_metric_that_fails_on_the_data_only_ends_the_run(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(flags("a", "--method", "supervised", "--metrics", f"{MODULE}:small")) == 2
    assert "the metric small failed with ValueError: too many" in capsys.readouterr().err
    assert list(Path("a/checkpoints").iterdir())


def test_metrics_are_called_useless_where_nothing_is_scored(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    np.savez("few.npz", x=rng.integers(0, 256, (20, 8, 8), np.uint8), y=np.arange(20) % 2)
    words = ["train", "few.npz", "--out", "a", "--no-report", "--steps", "2", "--batch-size", "4"]
    words += ["--method", "supervised", "--metrics", f"{MODULE}:brier"]
    assert cli.run(words) == 0
    assert "train.metrics: no labeled images are left to score on" in " ".join(capsys.readouterr().out.split())


def test_a_run_is_not_scored_without_a_metric_that_it_was_trained_with(
    code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(flags("a", "--method", "supervised", "--metrics", f"{MODULE}:brier")) == 0
    sys.modules.pop(MODULE)
    (code / f"{MODULE}.py").rename(code / "elsewhere.py")
    assert len(tutelage.load("a").predict("digits")) > 0  # type: ignore[call-arg, union-attr]
    assert cli.run(["evaluate", "a", "digits"]) == 2
    assert f"there is no module '{MODULE}'" in capsys.readouterr().err.replace("\n", " ")


class Here(Method):
    """Importable, since the module of this test is."""

    name, evaluated = "here", "student"

    def forward(self, batch: Batch, t: Progress) -> StepOutput:
        raise NotImplementedError


def test_a_class_that_cannot_be_imported_is_refused_with_what_to_do(tmp_path: Path) -> None:
    class Local(Here):
        name = "local"

    with pytest.raises(ConfigError, match="define it at the top level of a module"):
        tutelage.train("digits", out=tmp_path / "a", method=Local)
    with pytest.raises(ConfigError, match="define it at the top level of a module"):
        tutelage.train("digits", out=tmp_path / "a", metrics=[lambda probs, labels: 0.0])
    main = type("Script", (Here,), {"__module__": "__main__"})
    with pytest.raises(ConfigError, match=r"defined in the script or notebook that is running.*from my_module import"):
        tutelage.train("digits", out=tmp_path / "a", method=main)
    assert not (tmp_path / "a").exists()


def test_a_pretraining_takes_no_metrics_of_classes(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["pretrain", "digits", "--out", "a", "--steps", "2", "--train.metrics", f"{MODULE}:brier"]
    assert cli.run(words) == 2
    assert "pretraining predicts no classes" in capsys.readouterr().err


@pytest.mark.slow
def test_a_comparison_says_nothing_of_unlabeled_images_to_a_method_that_takes_none(
    code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [f"{MODULE}:Mine", f"{MODULE}:LabeledOnly"]
    words = ["--label-counts", "40", "--seeds", "1", "--steps", "4", "--batch-size", "16", "--jobs", "2"]
    assert cli.run(["compare", "digits", "--methods", ",".join(["supervised", *own]), "--out", "c", *words]) == 0
    said, report = capsys.readouterr().out, Path("c/report.html").read_text()
    assert f"{own[1]} uses no unlabeled images, so there is no verdict on it" in " ".join(said.split())
    verdicts = [line for line in Path("c/results.md").read_text().splitlines() if line.startswith("- ")]
    assert verdicts and all(line.startswith(f"- {own[0]}, 40 labels: ") for line in verdicts)
    assert f"{own[0]}, 40 labels: " in report and f"{own[1]}, 40 labels: " not in report


def test_the_run_folder_of_a_comparison_takes_the_name_of_a_users_method() -> None:
    assert Combination(f"{MODULE}:Mine", 40, 0).name == f"{MODULE}.Mine-40-0"


def test_own_scores_of_scans_are_means_over_cases() -> None:
    from tutelage.tasks.own_metrics import OwnMetric
    from tutelage.tasks.segmentation import Segmentation

    def confidence(probs: Tensor, labels: Tensor) -> Tensor:
        assert probs.shape == (1, 2, 4, 4) and labels.shape == (1, 4, 4)
        return probs.amax(1).mean()

    metric = OwnMetric("confidence", confidence)
    task = Segmentation(("background", "organ"), patch_size=(4, 4), own_metrics=(metric,))
    metrics = task.metrics(distances=False)
    first, second = torch.full((1, 2, 4, 4), 0.5), torch.zeros(1, 2, 4, 4)
    second[:, 1] = 1.0
    metrics.update(torch.cat([first, second]), torch.ones(2, 4, 4, dtype=torch.int64))
    assert metrics.compute()["confidence"] == pytest.approx(0.75)
    assert task.columns["confidence"][0] == "confidence"
    with pytest.raises(ConfigError, match="a score named 'dice' already exists"):
        Segmentation(("background", "organ"), patch_size=(4, 4), own_metrics=(OwnMetric("dice", confidence),))


def test_an_error_in_the_code_of_a_user_is_not_called_a_bug_in_tutelage(
    code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(flags("a", "--method", f"{MODULE}:Raising")) == 1
    said = capsys.readouterr().err
    line = CODE.splitlines().index('        raise LookupError("nothing there")') + 1
    assert f"{MODULE}.py line {line} raised LookupError, in code that is not part of tutelage" in said
    assert "nothing there" in said and "bug in tutelage" not in said


def test_what_a_method_must_return_is_said(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(flags("a", "--method", f"{MODULE}:Tensorial")) == 2
    assert "Tensorial.forward must return a tutelage.StepOutput, got Tensor" in capsys.readouterr().err


def test_settings_of_several_values_resume(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = ["--method", f"{MODULE}:Tuples", "--network", f"{MODULE}:TupleNet"]
    assert cli.run(flags("a", *own)) == 0
    Path("a/result.json").unlink()
    assert cli.run(["train", "--resume", "a", "--no-report"]) == 0
    assert cli.run(["train", "--resume", "a", "--method.t", "0.5,0.9", "--network.widths", "4,8"]) == 0
    tutelage.train(resume="a", method=f"{MODULE}:Tuples", settings={"method.t": (0.5, 0.9), "method.whole": 1.0})
    capsys.readouterr()
    assert cli.run(["train", "--resume", "a", "--method.t", "0.5,0.8"]) == 2
    assert "method.t is [0.5, 0.9], not [0.5, 0.8]" in capsys.readouterr().err


def test_a_run_with_settings_of_several_values_that_stopped_in_its_baseline_resumes(code: Path) -> None:
    own = ["--method", f"{MODULE}:Tuples", "--network", f"{MODULE}:TupleNet", "--baseline"]
    assert cli.run(flags("a", *own)) == 0
    Path("a/verdict.json").unlink()
    Path("a/baseline/result.json").unlink()
    assert cli.run(["train", "--resume", "a", "--no-report"]) == 0
    assert Path("a/verdict.json").exists() and Path("a/baseline/result.json").exists()
