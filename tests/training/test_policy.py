"""CTAugment learns from labeled probes, whatever the method."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tutelage.augment.ct_augment import CTAugment
from tutelage.commands.api import train
from tutelage.config.augment import CTAugmentConfig
from tutelage.core.batch import Samples
from tutelage.tasks.classification import Classification
from tutelage.training.checkpoint import load_checkpoint
from tutelage.training.policy import update_rates


class Constant(torch.nn.Module):
    """The same probabilities for each image."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[0.7, 0.2, 0.1]]).log().expand(len(images), 3)


def test_rates_move_towards_one_minus_half_the_distance_to_the_label() -> None:
    policy = CTAugment(CTAugmentConfig(decay=0.9))
    op, level = torch.tensor([[1, 1]]), torch.full((1, 2, 2), 0.5, dtype=torch.float64)
    extra = {"probe": torch.zeros(1, 3, 4, 4), "probe_op": op, "probe_level": level}
    labeled = Samples((extra["probe"],), torch.zeros(1).long(), torch.tensor([1]), extra)
    update_rates(policy, Classification("abc"), Constant(), labeled)
    omega = 1 - 0.5 * (abs(0.7) + abs(0.2 - 1) + abs(0.1))
    met = int(0.5 * 17 * 0.999)
    assert policy.rates[1, 0, met] == pytest.approx(0.9 * (0.9 + 0.1 * omega) + 0.1 * omega)
    assert int((policy.rates != 1).sum()) == 1


def test_a_run_of_fixmatch_with_ctaugment_probes_every_labeled_row(tmp_path: Path) -> None:
    settings = {"augment.strong.policy": "ctaugment", "network.input_noise": 0.1}
    run = train(
        "digits", method="fixmatch", label_count=20, batch_size=8, steps=4, out=tmp_path / "a", settings=settings
    )
    state = load_checkpoint(run.path / "checkpoints").tensors
    assert int(state["method.policy.probes"].sum()) == 4 * 8 * 2
    rates = state["method.policy.rates"]
    assert bool(((rates > 0) & (rates < 1)).any())


def test_settings_of_a_view_that_the_method_does_not_have_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"augment.strong.policy": "ctaugment"}
    run = train(
        "digits",
        method="mean-teacher",
        label_count=20,
        batch_size=8,
        steps=1,
        out=tmp_path / "a",
        settings=settings,
        quiet=False,
    )
    assert "augment.strong.policy: no effect, since" in " ".join(capsys.readouterr().out.split())
    assert not any("policy" in name for name in load_checkpoint(run.path / "checkpoints").tensors)
