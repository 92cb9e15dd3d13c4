"""NaN and infinity, put in at every place: training stops, names step and place, and nothing of them is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from support.features import FROZEN
from support.runs import checkpoints
from tutelage import cli
from tutelage.config import resolve
from tutelage.core.batch import Batch, Progress, StepOutput
from tutelage.core.errors import NonFiniteError
from tutelage.data.images.dataset import load_images
from tutelage.data.images.loader import pixel_statistics
from tutelage.methods import CLASSIFIERS
from tutelage.methods.base import Method
from tutelage.run import build, method_by_name
from tutelage.run.data_modules.image_streams import Inputs, build_training
from tutelage.run.recorder import take_checkpoint
from tutelage.training.checkpoint import load_checkpoint, save_checkpoint
from tutelage.training.finiteness import in_evaluation
from tutelage.training.loop import fit
from tutelage.training.signals import StopFlag
from tutelage.training.state import Training
from tutelage.training.window import Window

BAD_STEP, LOG_EVERY, SAVE_EVERY = 3, 2, 3  # steps 0..2 are good; the next log line is that of step 4
INF = float("inf")
OF_UNLABELED_ROWS = (
    "label-propagation",
    "prototypes",
    "committee",
)  # their loss has the labels as part of their targets


class Poison:
    """What a poisoned method did, for the test to read."""

    method: Method
    before: ClassVar[dict[str, Tensor]] = {}  # the weights at the beginning of the bad step


def poisoned(method: type[Method], place: str, bad: float) -> type[Method]:
    """`method`, with a forward pass that puts `bad` at `place` in one step."""

    class Poisoned(method):  # type: ignore[misc, valid-type]
        optimizer: torch.optim.Optimizer

        def forward(self, batch: Batch, t: Progress) -> StepOutput:
            if t.step != BAD_STEP:
                return super().forward(batch, t)
            Poison.method = self
            self.poison(batch)
            Poison.before = {name: value.detach().clone() for name, value in self.named_parameters()}
            out = super().forward(batch, t)
            if place == "loss":
                out.loss = out.loss * bad
            elif place == "gradient":
                out.loss.register_hook(lambda gradient: gradient * bad)
            return out

        def poison(self, batch: Batch) -> None:
            if place == "labeled image":
                batch.labeled.views[0][0].view(-1)[0] = bad
            elif place == "unlabeled image":
                batch.unlabeled.views[-1][0].view(-1)[0] = bad
            elif place == "teacher weight":
                next(self.teacher.network.parameters()).data.view(-1)[0] = bad
            elif place == "batch norm":
                name = next(n for n, _ in self.student.named_buffers() if n.endswith("running_mean"))
                self.student.get_buffer(name)[0] = bad
            elif place == "learning rate":
                self.optimizer.param_groups[-1]["lr"] = bad

    return Poisoned


def assert_no_update_since_the_bad_step() -> None:
    for name, value in Poison.method.named_parameters():
        assert torch.equal(torch.nan_to_num(value, 0, 0, 0), torch.nan_to_num(Poison.before[name], 0, 0, 0)), name


PLACES = {
    "labeled image": r"loss",
    "unlabeled image": r"loss",
    "loss": r"loss",
    "gradient": r"gradient",
    "teacher weight": r"loss|teacher",
    "batch norm": r"student\..*running_mean",
}


def settings(data: Path, out: Path, method: type[Method]) -> list[str]:
    given: dict[str, Any] = {
        "label-count": 40,
        "batch-size": 8,
        "steps": 6,
        "log-every": LOG_EVERY,
        "eval-every": 100,
        "checkpoint-every": SAVE_EVERY,
        "workers": 0,
        "network": "wrn-10-1",
        "out": out,
    }
    if method.needs_features:
        given |= {"network": FROZEN["network.name"], "train.freeze": "all", "image-size": FROZEN["data.image_size"]}
    return ["train", str(data), f"--method={method.name}", *(f"--{name}={value}" for name, value in given.items())]


QUICK = ("supervised", "mean-teacher", "mixmatch", "fixmatch", "linear")  # the others are for `make test-long`


def cases() -> list[Any]:
    """Each method with each place; every other one with NaN, and the rest with infinity."""
    return [
        pytest.param(
            method,
            place,
            bad,
            id=f"{method.name}-{place}-{bad}",
            marks=() if method.name in QUICK else pytest.mark.long,
        )
        for row, method in enumerate(CLASSIFIERS)
        for column, place in enumerate(PLACES)
        for bad in ((float("nan"), INF)[(row + column) % 2],)
        if not (place == "unlabeled image" and not method.unlabeled_views)
        and not (place == "teacher weight" and method.evaluated == "student")
        and not (place == "labeled image" and method.name in OF_UNLABELED_ROWS)
        and not (place == "batch norm" and method.needs_features)  # a head has none
    ]


@pytest.mark.parametrize(("method", "place", "bad"), cases())
def test_training_stops_in_time_names_the_place_and_keeps_only_what_is_finite(
    method: type[Method],
    place: str,
    bad: float,
    few_digits: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(method_by_name, "METHODS", (poisoned(method, place, bad),))
    code = cli.run(settings(few_digits, tmp_path / "run", method))
    error = capsys.readouterr().err
    assert code == 2
    assert error.count("\n") == 1 and error.startswith("tutelage: NaN or infinity in "), error
    assert f"the checkpoint of step {SAVE_EVERY} is good" in error
    found = re.search(r"NaN or infinity in (.+?) at (?:or before )?step (\d+)", error)
    assert found and re.search(PLACES[place], found[1]), error
    assert BAD_STEP < int(found[2]) <= BAD_STEP + LOG_EVERY
    if "running_mean" not in found[1] and "teacher" not in found[1]:  # those two touch no loss and no gradient
        assert_no_update_since_the_bad_step()
    kept = checkpoints(tmp_path / "run")
    assert [entry["step"] for entry in kept] == [0, SAVE_EVERY]
    for entry in kept:
        tensors = load_file(tmp_path / "run" / "checkpoints" / entry["file"])
        assert all(bool(value.isfinite().all()) for value in tensors.values() if value.is_floating_point())
    assert "NaN" not in (tmp_path / "run" / "metrics.jsonl").read_text()
    assert not (tmp_path / "run" / "result.json").exists()


@pytest.mark.parametrize("place", ["loss", "gradient"])
def test_what_is_finite_is_no_alarm(
    place: str, few_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(method_by_name, "METHODS", (poisoned(CLASSIFIERS[0], place, 1.5),))
    assert cli.run(settings(few_digits, tmp_path / "run", CLASSIFIERS[0])) == 0


class Saver:
    """A recorder that only saves."""

    def __init__(self, training: Training, folder: Path) -> None:
        self.training, self.folder = training, folder

    def tick(self, done: int) -> None: ...

    def log(self, done: int, means: Mapping[str, float]) -> None:
        assert all(abs(value) < INF for value in means.values())

    def evaluate(self, done: int) -> None: ...

    def was_evaluated(self, done: int) -> bool:
        return True

    def save(self, done: int, window: Window) -> None:
        save_checkpoint(self.folder, take_checkpoint(self.training, done, window))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("bad", [float("nan"), INF])
def test_a_learning_rate_that_is_not_finite_moves_nothing(
    bad: float, optimizer: str, few_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(method_by_name, "METHODS", (poisoned(CLASSIFIERS[0], "learning rate", bad),))
    name = CLASSIFIERS[0].name
    given = {"data.path": str(few_digits), "data.label_count": 40, "method.name": name, "network.name": "wrn-10-1"}
    lengths = {"train.steps": 6, "train.log_every": LOG_EVERY, "train.checkpoint_every": SAVE_EVERY}
    cfg = resolve({**given, **lengths, "train.batch_size": 8, "optimizer.name": optimizer})
    data = load_images(cfg.data, seed=0)
    student = build.build_predictor(cfg, num_classes=10, channels=1, image_size=8)
    inputs = Inputs(data.train.images, pixel_statistics(data.train.images))
    training = build_training(cfg, data, inputs, torch.device("cpu"), student)
    training.method.optimizer = training.optimizer  # type: ignore[assignment]
    with pytest.raises(NonFiniteError, match=r"learning rate at step 4; the checkpoint of step 3 is good"):
        fit(training, Saver(training, tmp_path), StopFlag())
    training.loader.close()
    assert_no_update_since_the_bad_step()
    assert load_checkpoint(tmp_path).step == SAVE_EVERY


def test_predictions_that_overflow_name_the_step_and_what_to_try() -> None:
    with (
        pytest.raises(NonFiniteError) as caught,
        in_evaluation(done=6, saved=4),
    ):
        raise NonFiniteError("3 of 5 predictions contain NaN or infinity")
    assert str(caught.value).startswith(
        "in the evaluation after step 6, 3 of 5 predictions contain NaN or infinity; the checkpoint of step 4 is good. "
        "Try a smaller optimizer.lr"
    )
