from __future__ import annotations

import numpy as np
import torch

from reference import probes as reference
from tutelage.inference.images.probe.linear import PUBLISHED, LinearProbe, fit_linear


def test_the_protocol_is_the_published_one() -> None:
    assert (PUBLISHED.lr, PUBLISHED.momentum, PUBLISHED.epochs) == (30.0, 0.9, 100)
    assert (PUBLISHED.drops, PUBLISHED.batch) == ((60, 80), 256)


def test_weights_are_those_of_the_formula() -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(10, 3)).astype(np.float32), draw.integers(0, 4, 10)
    settings = LinearProbe(lr=0.5, epochs=5, drops=(2, 4), batch=4)
    orders: list[list[int]] = []

    def features(epoch: int, rows: torch.Tensor) -> torch.Tensor:
        orders.append([epoch, *rows.tolist()])
        return torch.from_numpy(x)[rows]

    weight, bias = fit_linear(features, torch.from_numpy(y), 4, seed=3, settings=settings)
    seen = orders[1:]  # the first asks for the width alone
    assert [order[0] for order in seen] == [epoch for epoch in range(5) for _ in range(3)]
    batches = [[(x[rows[1:]].astype(np.float64), y[rows[1:]]) for rows in seen if rows[0] == e] for e in range(5)]
    assert all(sorted(row for rows in seen if rows[0] == e for row in rows[1:]) == list(range(10)) for e in range(5))
    start, _ = fit_linear(features, torch.from_numpy(y), 4, seed=3, settings=LinearProbe(epochs=0))
    assert 0.0 < float(start.std()) < 0.03
    expected = reference.linear_probe(batches, start.double().numpy(), [0.5, 0.5, 0.05, 0.05, 0.005], 0.9)
    np.testing.assert_allclose(weight.numpy(), expected[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(bias.numpy(), expected[1], rtol=1e-4, atol=1e-5)


def test_the_seed_decides_all() -> None:
    x, y = torch.randn(20, 4), torch.arange(20) % 2
    settings = LinearProbe(epochs=2, batch=8)
    fits = [fit_linear(lambda epoch, rows: x[rows], y, 2, seed=seed, settings=settings) for seed in (1, 1, 2)]
    assert torch.equal(fits[0][0], fits[1][0]) and torch.equal(fits[0][1], fits[1][1])
    assert not torch.equal(fits[0][0], fits[2][0])


def test_classes_that_a_line_parts_are_parted_at_the_published_rate() -> None:
    x = torch.cat([torch.randn(30, 5) + 2.0, torch.randn(30, 5) - 2.0])
    y = torch.arange(60) // 30
    weight, bias = fit_linear(lambda epoch, rows: x[rows], y, 2, seed=0)
    assert ((x @ weight.T + bias).argmax(1) == y).all()
