"""Supervised training: the task's loss on labeled rows alone."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from tutelage.core.batch import Progress
from tutelage.core.errors import ConfigError
from tutelage.methods.supervised import Supervised
from tutelage.tasks.segmentation import Segmentation

contract = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "test_contract.py")))


def test_the_loss_is_the_cross_entropy_of_the_labeled_rows() -> None:
    method = contract.build(Supervised).eval()  # without dropout
    batch = contract.batch_of(Supervised, 0)
    out = method(batch, Progress(0, 10))
    logits = method.student(batch.labeled.views[0])
    assert float(out.loss.detach()) == pytest.approx(float(F.cross_entropy(logits, batch.labeled.label).detach()))
    assert float(out.log["supervised"]) == float(out.loss.detach())
    assert out.unlabeled_loss is None and out.pseudo_labels is None


def test_with_deep_supervision_the_loss_is_the_mean_over_the_levels() -> None:
    torch.manual_seed(0)
    task = Segmentation("abc", patch_size=(5, 5))
    student = contract.TinyDense(deep_supervision=True)
    method = Supervised(student, task, contract.PROBLEM, Supervised.Config()).eval()
    images, label = torch.randn(4, 1, 5, 5), torch.randint(3, (4, 5, 5))
    batch = contract.Batch(contract.Samples((images,), torch.arange(4), label), None)
    out = method(batch, Progress(0, 10))
    fine, coarse = (float(task.loss(logits, label).detach()) for logits in student.maps(images))
    assert fine != coarse
    assert float(out.loss.detach()) == pytest.approx((fine + coarse) / 2)


def test_a_decay_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"method\.ema_decay must be in"):
        Supervised.Config(ema_decay=1.0)
