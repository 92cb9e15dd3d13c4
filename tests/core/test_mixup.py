"""MixUp's shares and partners."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tutelage.core.mixup import mix_up


def shares(rows: int, alpha: float, draw: str = "row") -> tuple[Tensor, Tensor]:
    """(R, R) twice: how much of each old image and label is in each new row."""
    one_hot = torch.eye(rows)
    images, label = mix_up(one_hot.reshape(rows, 1, 1, rows), one_hot, alpha, draw)  # type: ignore[arg-type]
    return images.reshape(rows, rows), label


def test_an_image_and_its_label_are_mixed_alike_and_labels_still_sum_to_one() -> None:
    torch.manual_seed(0)
    of_image, of_label = shares(50, 0.75)
    assert torch.equal(of_image, of_label)
    torch.testing.assert_close(of_label.sum(1), torch.ones(50))


def test_features_are_mixed_as_images_of_one_pixel_are() -> None:
    rows, label = torch.randn(20, 5), torch.eye(20)
    torch.manual_seed(0)
    of_images = mix_up(rows[:, :, None, None], label, 0.75)
    torch.manual_seed(0)
    of_features = mix_up(rows, label, 0.75)
    assert torch.equal(of_features[0], of_images[0][:, :, 0, 0]) and torch.equal(of_features[1], of_images[1])


def test_a_row_keeps_at_least_half_of_itself_and_meets_one_other_row() -> None:
    torch.manual_seed(0)
    mixed, _ = shares(200, 0.75)
    assert bool((mixed.diagonal() >= 0.5).all())
    assert int((mixed > 0).sum(1).max()) == 2
    partners = (mixed - mixed.diagonal().diag()).argmax(1)[mixed.diagonal() < 1]
    assert len(partners.unique()) == len(partners)  # a permutation


def test_rows_have_their_own_shares_unless_one_is_drawn_for_the_batch() -> None:
    torch.manual_seed(0)
    by_row, by_batch = shares(50, 0.75)[0].diagonal(), shares(50, 0.75, "batch")[0].diagonal()
    assert len(by_row.unique()) > 45
    assert len(by_batch[by_batch < 1].unique()) == 1


@pytest.mark.parametrize("alpha", [0.1, 0.75, 4.0])
def test_shares_are_the_larger_part_of_a_beta_draw(alpha: float) -> None:
    torch.manual_seed(0)
    drawn = np.concatenate([shares(500, alpha)[0].diagonal().numpy() for _ in range(40)])
    beta = np.random.default_rng(0).beta(alpha, alpha, 200_000)
    expected = np.maximum(beta, 1 - beta)
    for quantile in (0.1, 0.25, 0.5, 0.75):
        assert np.quantile(drawn, quantile) == pytest.approx(np.quantile(expected, quantile), abs=0.01)


def test_the_seed_decides_on_all_draws() -> None:
    torch.manual_seed(1)
    first = shares(20, 0.75)[0]
    torch.manual_seed(1)
    assert torch.equal(shares(20, 0.75)[0], first)
    assert not torch.equal(shares(20, 0.75)[0], first)


def test_every_device_mixes_by_the_same_draws() -> None:
    def draws(device: str) -> tuple[Tensor, Tensor]:
        """The state of the CPU's generator before and after."""
        torch.manual_seed(0)
        before = torch.get_rng_state()
        mix_up(torch.zeros(6, 1, 2, 2, device=device), torch.zeros(6, 3, device=device), 0.75)
        return before, torch.get_rng_state()

    assert not torch.equal(*draws("cpu"))
    assert torch.equal(draws("cpu")[1], draws("meta")[1])
