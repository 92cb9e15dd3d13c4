"""A new method is its file, a line in `methods/__init__.py`, its test and its docs page: everything else follows."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
from torch import Tensor

import tutelage
from support.runs import unsealed
from tutelage import cli, methods
from tutelage.commands import catalog
from tutelage.core.batch import Progress, PseudoLabels, SemiSupervisedBatch, StepOutput
from tutelage.core.ema import EMATeacher
from tutelage.core.precision import at_least_float32
from tutelage.methods import METHODS
from tutelage.methods.base import Method, Problem
from tutelage.methods.ema_config import EvaluatedEMAConfig
from tutelage.networks.base import Network
from tutelage.run import method_by_name
from tutelage.tasks.base import Task

ROOT = Path(__file__).parents[2]
SHARED_PAGES = {"moco-v1": "moco", "moco-v2": "moco"}


class Newcomer(Method[SemiSupervisedBatch]):
    """Newcomer: a method that no other file knows.

    loss = L(y, p(weak x)) + w mean over rows of |p(weak u) - p(strong u)|^2
    """

    name, evaluated = "newcomer", "teacher"
    labeled_views, unlabeled_views = ("weak",), ("weak", "strong")

    @dataclass(frozen=True, kw_only=True)
    class Config(EvaluatedEMAConfig):
        """Settings of `newcomer`."""

        agreement_weight: Annotated[float, "w, of a test"] = 2.0
        power: Annotated[int, "of the differences"] = 2
        squared: Annotated[bool, "the mean over rows is squared"] = False

    cfg: Config

    def __init__(self, student: Network, task: Task, problem: Problem, cfg: Config) -> None:
        super().__init__(student, task, problem, cfg)
        self.teacher = EMATeacher(student, cfg.ema_decay, warmup=cfg.ema_warmup, buffers=cfg.ema_buffers)

    def pseudo_label_weight(self, probs: Tensor) -> Tensor:
        return torch.ones_like(probs[:, 0])

    def forward(self, batch: SemiSupervisedBatch, t: Progress) -> StepOutput:
        x, u = batch.labeled, batch.unlabeled
        logits = self.student(torch.cat([x.views[0], *u.views]))
        logits_x, weak, strong = torch.split(at_least_float32(logits), [len(x), len(u), len(u)])
        supervised = self.task.loss(logits_x, x.label)
        agreement = (weak.softmax(1) - strong.softmax(1)).abs().pow(self.cfg.power).sum(1).mean()
        unlabeled = self.cfg.agreement_weight * (agreement.square() if self.cfg.squared else agreement)
        pseudo_labels = PseudoLabels(weak.argmax(1), self.pseudo_label_weight(weak))
        log = {"supervised": supervised.detach(), "agreement": agreement.detach()}
        return StepOutput(supervised + unlabeled, log, pseudo_labels=pseudo_labels, unlabeled_loss=unlabeled.detach())


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As after one line in `methods/__init__.py`: the lists that follow from it are made again."""
    known, classifiers = METHODS, methods.CLASSIFIERS
    for module in list(sys.modules.values()):
        if getattr(module, "METHODS", None) is known and module.__name__ != __name__:
            monkeypatch.setattr(module, "METHODS", (*known, Newcomer))
    monkeypatch.setattr(methods, "CLASSIFIERS", (*classifiers, Newcomer))
    assert method_by_name.METHODS[-1] is catalog.METHODS[-1] is Newcomer
    yield


@pytest.mark.usefixtures("registered")
def test_a_new_method_is_in_the_catalog_with_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["methods"]) == 0
    assert "newcomer" in capsys.readouterr().out
    assert cli.run(["methods", "newcomer"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for text in (
        "a method that no other file knows",
        "--method.agreement-weight",
        "w, of a test",
        "--method.ema-decay",
    ):
        assert text in shown, text


@pytest.mark.usefixtures("registered")
def test_a_new_method_trains_by_its_flags_and_gets_a_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "digits", "--out", str(tmp_path / "run"), "--method", "newcomer", "--steps", "4", "--baseline"]
    words += ["--label-count", "40", "--workers", "0", "--no-report", "--method.agreement-weight"]
    assert cli.run([*words, "much"]) == 2
    assert "--method.agreement-weight must be a number, got 'much'" in capsys.readouterr().err
    assert cli.run([*words, "3"]) == 0
    settings = unsealed(tmp_path / "run" / "config.json")["settings"]["method"]
    assert (settings["name"], settings["agreement_weight"], settings["ema_decay"]) == ("newcomer", 3.0, 0.0)
    assert (tmp_path / "run" / "verdict.json").exists()
    run = tutelage.train(resume=tmp_path / "run")
    assert run.metrics["method"] == "newcomer"
    assert isinstance(tutelage.load(run.path), tutelage.Model)


@pytest.mark.usefixtures("registered")
def test_a_new_method_can_be_compared_with_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "digits", "--methods", "supervised,newcomer", "--label-counts", "40", "--seeds", "1", "--list"]
    assert cli.run([*words, "--steps", "2", "--method.agreement-weight", "3", "--out", str(tmp_path / "c")]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "newcomer" in line)
    assert "--method.agreement-weight 3" in line


@pytest.mark.usefixtures("registered")
def test_a_new_method_runs_through_the_whole_battery() -> None:
    contract = runpy.run_path(str(ROOT / "tests" / "methods" / "test_contract.py"))
    assert Newcomer in contract["SEMI_SUPERVISED"] and Newcomer in contract["WITH_TEACHER"]
    assert (Newcomer, {}) in contract["BF16"]
    settings = [name for method, name in contract["SETTINGS"] if method is Newcomer]
    assert settings == ["ema_decay", "ema_warmup", "ema_buffers", "agreement_weight", "power", "squared"]
    tried = 0
    for name, test in contract.items():
        if not name.startswith("test_"):
            continue
        arguments = test.__code__.co_varnames[: test.__code__.co_argcount]
        more: dict[str, list[Any]] = {
            "optimizer_name": ["sgd", "adamw"],
            "warmup": [True, False],
            "source": ["copy", "average"],
            "setting": settings,
            "settings": [{}],
        }
        (extra,) = [argument for argument in arguments if argument != "method"] or [None]
        for value in [None] if extra is None else more[extra]:
            test(Newcomer, **({} if extra is None else {extra: value}))
            tried += 1
    assert tried > 15


@pytest.mark.usefixtures("registered")
def test_a_new_method_is_in_the_lists_of_the_other_batteries_and_benchmarks() -> None:
    ranks = runpy.run_path(str(ROOT / "tests" / "support" / "ranks.py"), run_name="ranks")
    assert "newcomer" in [case.name for case in ranks["CASES"]]
    wrong = runpy.run_path(str(ROOT / "tests" / "wrong_inputs" / "test_wrong_methods.py"))
    assert Newcomer in wrong["CLASSIFIERS"] and Newcomer in wrong["SEMI_SUPERVISED"]
    assert set(wrong["numbers"](Newcomer)) == {"ema_decay", "agreement_weight", "power"}
    step = runpy.run_path(str(ROOT / "benchmarks" / "step.py"), run_name="step")
    assert Newcomer in step["CLASSIFIERS"]


PASSES = {
    "supervised": "learned x",
    "pi-model": "learned x + u and x + u",
    "temporal-ensembling": "learned x + u",
    "mean-teacher": "learned x + u, teacher x + u",
    "hybridnet": "learned x + u, teacher x + u, two auto-encoders",
    "pseudo-label": "learned x + u",
    "mixmatch": "learned x + 2u, student 2u",
    "uda": "learned x + 2u",
    "remixmatch": "learned 3u and x + 3u",
    "fixmatch": "learned x + 2u",
    "newcomer": "learned x + 2u",
}


@pytest.mark.parametrize("name", PASSES)
def test_the_passes_that_a_benchmark_compares_with_are_seen_in_the_method(name: str) -> None:
    contract = runpy.run_path(str(ROOT / "tests" / "methods" / "test_contract.py"))
    step = runpy.run_path(str(ROOT / "benchmarks" / "step.py"), run_name="step")
    method = Newcomer if name == "newcomer" else method_by_name.method_class(name)
    contract["batch_of"].__globals__.update(X=2, U=32)
    made = contract["build"](method)
    assert str(step["passes_of"](made, contract["batch_of"](made, 0))) == PASSES[name]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_method_has_a_test_and_a_page(method: type[Method[Any]]) -> None:
    page = SHARED_PAGES.get(method.name, method.name)
    assert (ROOT / "docs" / "methods" / f"{page}.md").is_file()
    assert (ROOT / "tests" / "methods" / f"test_{page.replace('-', '_')}.py").is_file()
