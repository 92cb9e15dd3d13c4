"""Random numbers that follow from a seed and a name."""

import pytest
import torch

from tutelage.core.seeding import derived_seed, generator, seed_globally


def test_the_same_seed_and_key_give_the_same_numbers() -> None:
    first, second = generator(7, "weak", 3), generator(7, "weak", 3)
    torch.testing.assert_close(torch.rand(100, generator=first), torch.rand(100, generator=second), rtol=0, atol=0)


def test_derived_seeds_never_change_since_runs_are_resumed_by_them() -> None:
    assert derived_seed(0) == 2631537505891389924
    assert derived_seed(0, "unlabeled", "weak", 17) == 6001894602635086204


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0, "weak", 1), (1, "weak", 1)),
        ((0, "weak", 1), (0, "strong", 1)),
        ((0, "weak", 1), (0, "weak", 2)),
        ((0, "weak", 1), (0, 1, "weak")),
        ((0, "a", "b"), (0, "ab")),
        ((0, "a, b"), (0, "a", "b")),
        ((0, "a', 'b"), (0, "a", "b")),
        ((0, 1, 2), (0, 12)),
        ((0, 1), (0, "1")),
        ((0,), (0, 0)),
        ((1, 0), (0, 1)),
    ],
)
def test_seeds_and_keys_are_told_apart(one: tuple[int | str, ...], other: tuple[int | str, ...]) -> None:
    assert derived_seed(*one) != derived_seed(*other)  # type: ignore[arg-type]


def test_many_keys_give_many_seeds_that_fit_63_bits() -> None:
    seeds = [derived_seed(seed, "step", step) for seed in range(20) for step in range(500)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_numbers_of_neighboring_steps_and_streams_are_independent() -> None:
    draws = [torch.randn(4000, generator=generator(0, stream, step)) for stream in "ab" for step in range(4)]
    correlations = torch.corrcoef(torch.stack(draws)) - torch.eye(len(draws))
    assert correlations.abs().max() < 5 / 4000**0.5


def test_drawing_from_one_generator_moves_neither_another_nor_the_global_one() -> None:
    torch.manual_seed(0)
    expected_global, expected = torch.get_rng_state(), torch.rand(5, generator=generator(0, "b"))
    one, other = generator(0, "a"), generator(0, "b")
    torch.rand(1000, generator=one)
    torch.testing.assert_close(torch.rand(5, generator=other), expected, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), expected_global)


def test_the_global_seed_on_the_cpu_is_that_of_torch() -> None:
    torch.manual_seed(17)
    expected = torch.rand(5)
    seed_globally(17, torch.device("cpu"))
    assert torch.equal(torch.rand(5), expected)


def test_the_global_seed_reaches_the_gpu(cuda: torch.device) -> None:
    draws = []
    for seed in (1, 2, 1):
        seed_globally(seed, cuda)
        draws.append((torch.rand(5), torch.rand(5, device=cuda)))
    for first, other, again in zip(*draws, strict=True):
        assert torch.equal(first, again) and not torch.equal(first, other)
