"""Training on a GPU: a step never waits for it, the numbers are the CPU's, and a resume gives the same bits."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tutelage
from support.features import with_network
from support.runs import checkpoints, cut_back
from tutelage.methods import CLASSIFIERS, PRETRAINERS
from tutelage.methods.base import Method

pytestmark = pytest.mark.usefixtures("cuda")
STEPS = 8


def settings(method: str, **more: Any) -> dict[str, Any]:
    return {
        "method.name": method,
        "network.name": "wrn-10-1",
        "data.label_count": 40,
        "train.steps": STEPS,
        "train.batch_size": 8,
        "train.log_every": 4,
        "train.eval_every": 4,
        "train.checkpoint_every": 4,
        "train.device": "cuda",
    } | more


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("method", CLASSIFIERS, ids=lambda m: m.name)
def test_a_step_never_waits_for_the_device(
    method: type[Method], precision: str, no_waiting: list[int], tmp_path: Path
) -> None:
    given = with_network(method, settings(method.name, **{"train.precision": precision, "optimizer.clip_norm": 5.0}))
    run = tutelage.train("digits", out=tmp_path / "a", settings=given)
    assert no_waiting == list(range(2, STEPS))
    losses = [line["loss"] for line in lines(run.path) if "loss" in line]
    assert len(losses) == STEPS // 4
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("method", PRETRAINERS, ids=lambda m: m.name)
def test_nor_does_pretraining(method: type[Method], no_waiting: list[int], tmp_path: Path) -> None:
    given = settings(method.name, **{"method.queue_size": 64})
    del given["data.label_count"]
    tutelage.pretrain("digits", out=tmp_path / "a", settings=given)
    assert len(no_waiting) == STEPS - 2


def test_strong_views_that_are_learned_train_there(tmp_path: Path) -> None:
    """They read the learned rates at each step, which waits."""
    run = tutelage.train(
        "digits", out=tmp_path / "a", settings=settings("fixmatch", **{"augment.strong.policy": "ctaugment"})
    )
    assert np.isfinite([line["loss"] for line in lines(run.path) if "loss" in line]).all()


@pytest.mark.parametrize("method", ["supervised", "mean-teacher", "fixmatch"])
def test_the_losses_are_those_of_the_cpu(method: str, tmp_path: Path) -> None:
    losses = {}
    for device in ("cpu", "cuda"):
        given = settings(method, **{"train.device": device, "train.precision": "fp32", "train.log_every": 1})
        run = tutelage.train("digits", out=tmp_path / device, settings=given)
        losses[device] = [line["loss"] for line in lines(run.path) if "loss" in line]
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=2e-2)
    assert losses["cuda"][0] == pytest.approx(losses["cpu"][0], rel=2e-3)


def test_a_run_of_the_gpu_predicts_on_a_cpu_what_it_predicts_there(tmp_path: Path) -> None:
    run = tutelage.train("digits", out=tmp_path / "a", settings=settings("mean-teacher", **{"train.steps": 60}))
    images = np.random.default_rng(0).integers(0, 256, (300, 1, 8, 8), dtype=np.uint8)
    there, here = (tutelage.load(run.path, device=device).probabilities(images) for device in ("cuda", "cpu"))
    torch.testing.assert_close(there.cpu(), here, atol=5e-3, rtol=0)


@pytest.mark.parametrize("method", CLASSIFIERS, ids=lambda m: m.name)
def test_a_resume_on_the_gpu_gives_the_same_bits(method: type[Method], tmp_path: Path) -> None:
    whole = tutelage.train("digits", out=tmp_path / "whole", settings=with_network(method, settings(method.name))).path
    last = checkpoints(whole)[-1]
    assert (last["step"], checkpoints(whole)[-2]["step"]) == (STEPS, 4)
    cut = cut_back(whole, tmp_path / "cut", 4)
    tutelage.train(resume=cut)
    assert lines(cut) == lines(whole)
    assert (cut / "checkpoints" / last["file"]).read_bytes() == (whole / "checkpoints" / last["file"]).read_bytes()


def test_a_time_budget_holds(tmp_path: Path) -> None:
    given = settings("fixmatch", **{"train.budget": "20s"})
    for name in ("steps", "log_every", "eval_every", "checkpoint_every"):
        del given[f"train.{name}"]
    begin = time.perf_counter()
    tutelage.train("digits", out=tmp_path / "a", settings=given)
    assert 10 < time.perf_counter() - begin < 26
