"""Images of many requests pass the network together, each is answered, and too many are refused."""

from __future__ import annotations

import threading
from concurrent.futures import wait
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from support.served_model import COLORS, color_file, color_model, endpoint
from tutelage.core.web.refused import Refused
from tutelage.inference.images.model import Model
from tutelage.inference.serving.batcher import Batcher


@dataclass
class Gate:
    """Holds up a normalization, which each pass of the network begins with, and counts the images of each pass."""

    model: Model
    open: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    passes: list[int] = field(default_factory=list)
    failing: bool = False

    def __call__(self, images: Tensor) -> Tensor:
        self.passes.append(len(images))
        self.begun.set()
        assert self.open.wait(30)
        if self.failing:
            raise RuntimeError("out of order at /home/me/secret.py")
        return self.model.normalization(images)


@pytest.fixture
def gate() -> Gate:
    return Gate(color_model())


def held(gate: Gate) -> Model:
    """The model, whose network waits for the gate."""
    return replace(gate.model, normalization=gate)


def named(count: int) -> list[tuple[str, bytes]]:
    return [(f"{k}", color_file(tuple(COLORS)[k % 3])) for k in range(count)]


def test_what_comes_during_a_pass_is_in_the_next_ones_together(gate: Gate) -> None:
    batcher = Batcher(held(gate), most=8, wait=0.0)
    first = batcher.submit(named(1))
    assert gate.begun.wait(30)
    others = [answer for image in named(20) for answer in batcher.submit([image])]
    while batcher._ready.qsize() < 20:
        pass
    gate.open.set()
    done = [answer.result(30) for answer in first + others]
    assert gate.passes == [1, 8, 8, 4]
    for prediction, (name, _) in zip(done[1:], named(20), strict=True):
        assert prediction.name == name and prediction.probs is not None
        assert int(np.argmax(prediction.probs)) == int(name) % 3
    batcher.close()


def test_an_image_waits_a_moment_for_others(gate: Gate) -> None:
    gate.open.set()
    batcher = Batcher(held(gate), wait=0.3)
    answers = [answer for image in named(5) for answer in batcher.submit([image])]
    wait(answers, 30)
    assert gate.passes == [5]
    batcher.close()


def test_a_file_that_cannot_be_read_is_answered_while_the_network_is_busy(gate: Gate) -> None:
    batcher = Batcher(held(gate))
    good = batcher.submit(named(1))
    assert gate.begun.wait(30)
    (bad,) = batcher.submit([("x", b"no image")])
    assert "is not a readable image" in bad.result(30).error
    assert not good[0].done()
    gate.open.set()
    assert good[0].result(30).probs is not None
    batcher.close()


def test_a_full_server_refuses_the_whole_request_and_says_when_to_come_back(gate: Gate) -> None:
    batcher = Batcher(held(gate), capacity=8)
    accepted = batcher.submit(named(6))
    with pytest.raises(Refused, match="too many images are waiting") as full:
        batcher.submit(named(3))
    assert full.value.status == 503 and full.value.retry_after is not None and full.value.retry_after >= 1
    accepted += batcher.submit(named(2))
    with pytest.raises(Refused, match="8 images at most, this one has 9") as large:
        batcher.submit(named(9))
    assert large.value.status == 413
    gate.open.set()
    assert all(answer.result(30).probs is not None for answer in accepted)
    assert len([answer.result(30) for answer in batcher.submit(named(8))]) == 8
    batcher.close()


def test_closing_answers_what_was_accepted(gate: Gate) -> None:
    batcher = Batcher(held(gate), most=4)
    accepted = batcher.submit(named(10))
    closing = threading.Thread(target=batcher.close)
    closing.start()
    gate.open.set()
    closing.join(30)
    assert not closing.is_alive() and all(answer.done() and answer.result().probs is not None for answer in accepted)


def test_a_network_that_fails_is_told_without_a_path_and_the_next_request_is_answered(
    gate: Gate, capsys: pytest.CaptureFixture[str]
) -> None:
    gate.open.set()
    gate.failing = True
    with endpoint(held(gate)) as served:
        answer = served.predict(*named(3))
        assert answer.status_code == 500 and "terminal" in answer.json()["error"]
        assert "secret" not in answer.text and "secret" in capsys.readouterr().err
        gate.failing = False
        assert served.predict(*named(3)).status_code == 200


def test_a_request_that_is_given_up_ends_nothing(gate: Gate) -> None:
    batcher = Batcher(held(gate))
    answers = batcher.submit(named(3))
    assert not any(answer.cancel() for answer in answers)
    gate.open.set()
    assert all(answer.result(30).probs is not None for answer in answers)
    batcher.close()


def test_a_model_gets_ready_without_changing_what_it_predicts() -> None:
    model = color_model()
    image = np.zeros((1, 3, 8, 8), np.uint8)
    before = model.probabilities(image)
    model.get_ready()
    assert torch.equal(model.probabilities(image), before)
