"""Which head is chosen on features, and how: by cross-validation on the labels."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from support.features import clusters
from tutelage.config import RunConfig, resolve
from tutelage.data.images.dataset import ImageDataset, load_images
from tutelage.run.data_modules import head_choice
from tutelage.run.data_modules.head_choice import HeadChoice, choose_head
from tutelage.run.data_modules.pretrained_start import PretrainedStart
from tutelage.run.method_by_name import resolved

CPU = torch.device("cpu")


def dataset(folder: Path, label: np.ndarray, labeled: np.ndarray) -> ImageDataset:
    """Images whose pixels mean nothing; those in `labeled` have their label."""
    images = np.random.default_rng(0).integers(0, 256, (len(label), 4, 4, 3), np.uint8)
    np.savez(folder / "images.npz", x=images, y=np.where(np.isin(np.arange(len(label)), labeled), label, -1))
    cfg = resolve({"data.path": str(folder / "images.npz"), "data.val_share": 0.0, "method.name": "linear"})
    return load_images(cfg.data, seed=0)


def heads(*names: str, **more: object) -> dict[str, RunConfig]:
    given = {"data.path": "images.npz", "train.workers": 0, "train.batch_size": 16, **more}
    return {name: resolved(resolve(given, preset=f"{name}-features")) for name in names}


def misleading(count: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Features whose groups have nothing to do with the class, which one coordinate tells; and the classes."""
    draw = np.random.default_rng(1)
    label = draw.permutation(np.arange(count) % 2)
    features = clusters(np.arange(count) % 10, distance=8.0)
    return np.column_stack([features, 3.0 * (2 * label - 1) + draw.standard_normal(count)]).astype(np.float32), label


def groups(count: int = 900) -> tuple[np.ndarray, np.ndarray]:
    """Six groups in many dimensions, every second of which is of the same class: too many for a plane of few labels."""
    group = np.arange(count) % 6
    return clusters(group, width=100, distance=6.0), group % 2


def first_of_each(label: np.ndarray, *counts: int) -> np.ndarray:
    return np.concatenate([np.flatnonzero(label == number)[:count] for number, count in enumerate(counts)])


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of a few steps, where it does not matter how good they are."""
    monkeypatch.setattr(head_choice, "_STEPS", {"linear": 1, "label-propagation": 8})


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings that are just long enough."""
    monkeypatch.setattr(head_choice, "_STEPS", {"linear": 1, "label-propagation": 60})


@pytest.mark.long
@pytest.mark.usefixtures("short")
def test_where_groups_mislead_the_head_that_follows_them_is_not_chosen(tmp_path: Path) -> None:
    features, label = misleading()
    data = dataset(tmp_path, label, first_of_each(label, 20, 20))
    choice = choose_head(heads("label-propagation", "linear"), data, features, device=CPU)
    (follows, _), (linear, _) = choice.scores["label-propagation"], choice.scores["linear"]
    assert choice.name == "linear" and linear > 0.85 and linear > follows + 0.08
    assert choice.metric == "accuracy"
    assert choice.reason == (
        f"linear, by cross-validated accuracy on 40 labels (label-propagation {100 * follows:.1f}%, "
        f"linear {100 * linear:.1f}%)"
    )


@pytest.mark.long
@pytest.mark.usefixtures("short")
def test_where_groups_tell_the_classes_the_head_that_follows_them_is_chosen(tmp_path: Path) -> None:
    features, label = groups()
    data = dataset(tmp_path, label, first_of_each(label, 10, 10))
    choice = choose_head(heads("linear", "label-propagation"), data, features, device=CPU)
    assert choice.name == "label-propagation"
    (follows, error), (linear, _) = choice.scores["label-propagation"], choice.scores["linear"]
    assert linear < 0.9 < follows and follows > linear + error > linear


@pytest.mark.usefixtures("brief")
def test_a_head_must_be_ahead_by_a_standard_error_of_the_differences(tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    label = draw.permutation(np.arange(80) % 2)
    features = draw.standard_normal((80, 6)).astype(np.float32)  # tells nothing, so that all heads are alike
    data = dataset(tmp_path, label, first_of_each(label, 15, 15))
    for names in (("linear", "label-propagation"), ("label-propagation", "linear")):
        choice = choose_head(heads(*names), data, features, device=CPU)
        ahead = choice.scores[names[1]][0] - choice.scores[names[0]][0]
        assert abs(ahead) < 0.15 and choice.name == names[0]


def test_without_a_mistake_the_first_head_is_taken_after_one_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = np.arange(60) % 3
    data, train, held = dataset(tmp_path, label, np.arange(24)), head_choice.train_head, list[int]()

    def counted(
        cfg: RunConfig, part: ImageDataset, features: np.ndarray, device: torch.device, widths: tuple[int, ...]
    ) -> object:
        rows = np.setdiff1d(np.arange(24), part.labeled_rows)
        held.extend(rows.tolist())
        assert len(part.labeled_rows) + len(rows) == 24 and not np.isin(rows, part.labeled_rows).any()
        assert not np.isin(rows, part.unlabeled_rows).any()
        assert len(part.unlabeled_rows) == len(data.unlabeled_rows) - len(rows)
        assert widths == (4, 8)
        return train(cfg, part, features, device, widths)

    monkeypatch.setattr(head_choice, "train_head", counted)
    choice = choose_head(
        heads("linear", "label-propagation"), data, clusters(label, distance=9.0), device=CPU, widths=(4, 8)
    )
    assert choice.name == "linear"
    for name in ("linear", "label-propagation"):
        assert choice.scores[name] == pytest.approx((1.0, 0.0))
    assert sorted(held) == sorted(2 * list(range(24)))  # each label once for each head
    assert data.labeled_rows.tolist() == list(range(24))  # as before


def test_unbalanced_labels_are_scored_with_all_classes_alike(tmp_path: Path) -> None:
    label = np.array([0] * 40 + [1] * 8)
    data = dataset(tmp_path, label, np.arange(48))
    constant = np.ones((48, 4), np.float32)  # so that the larger class is predicted for all
    configs = heads("linear", **{"data.labeled_sampling": "rows"})
    choice = choose_head(configs, data, constant, device=CPU)
    assert choice.metric == "balanced accuracy" and "balanced accuracy" in choice.reason
    assert choice.scores["linear"][0] == pytest.approx(0.5)
    data.labeled_rows = np.array([*range(16), *range(40, 48)])  # two to one
    choice = choose_head(configs, data, constant, device=CPU)
    assert choice.metric == "accuracy" and choice.scores["linear"][0] == pytest.approx(16 / 24)


@pytest.mark.parametrize("counts", [(1, 1, 1), (9, 1, 1), (3, 0, 0), (9, 10, 1)])
def test_with_too_few_labels_the_first_head_is_taken_and_it_is_said(counts: tuple[int, ...], tmp_path: Path) -> None:
    label = np.arange(30) % 3
    data = dataset(tmp_path, label, np.arange(30))
    data.labeled_rows = first_of_each(label, *counts)
    choice = choose_head(heads("softmatch", "linear"), data, clusters(label), device=CPU)
    assert (choice.name, choice.scores) == ("softmatch", {})
    assert choice.reason == f"softmatch, since {sum(counts)} labels are too few to compare heads on"


def test_twenty_labels_of_which_others_stay_are_enough_and_a_class_with_one_is_never_held_out(tmp_path: Path) -> None:
    label = np.arange(30) % 3
    data = dataset(tmp_path, label, first_of_each(label, 10, 10, 1))
    choice = choose_head(heads("linear"), data, clusters(label, distance=9.0), device=CPU)
    assert "on 20 labels" in choice.reason and choice.scores["linear"][0] == pytest.approx(1.0)


def test_every_class_keeps_a_label_in_every_fold_and_all_others_are_held_out_once_a_round() -> None:
    label = np.array([0] * 9 + [1] * 2 + [2])
    folds = head_choice._folds(label, seed=3)
    times = np.bincount(np.concatenate(folds), minlength=len(label))
    assert times.tolist() == [3] * 11 + [0]
    for fold in folds:
        assert set(np.delete(label, fold)) == {0, 1, 2}
    assert len({tuple(fold) for fold in folds}) > 4  # another draw in each round
    assert [fold.tolist() for fold in head_choice._folds(label, seed=3)] == [fold.tolist() for fold in folds]


@pytest.mark.long
@pytest.mark.usefixtures("brief")
def test_the_choice_follows_from_the_seed_and_leaves_threads_and_random_state_as_they_were(tmp_path: Path) -> None:
    features, label = misleading(80)
    data = dataset(tmp_path, label, first_of_each(label, 10, 10))
    configs = heads("label-propagation", "linear")
    before, threads = torch.get_num_threads(), 2
    torch.set_num_threads(threads)
    try:
        torch.manual_seed(5)
        state = torch.get_rng_state()
        first = choose_head(configs, data, features, device=CPU)
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.get_num_threads() == threads
        torch.manual_seed(6)
        assert choose_head(configs, data, features, device=CPU) == first
    finally:
        torch.set_num_threads(before)
    seeded = {
        name: dataclasses.replace(cfg, train=dataclasses.replace(cfg.train, seed=1)) for name, cfg in configs.items()
    }
    assert choose_head(seeded, data, features, device=CPU).scores != first.scores


def test_the_choice_is_said_in_one_line() -> None:
    said = io.StringIO()
    HeadChoice("linear", {}, "accuracy", "linear [b], since").print(Console(file=said, width=200))
    assert said.getvalue() == "- head: linear [b], since\n"


@pytest.mark.parametrize(("name", "kept"), [("linear", False), ("softmatch", True)])
def test_a_chosen_head_that_learns_from_labels_alone_gets_no_baseline(name: str, kept: bool) -> None:
    said = io.StringIO()
    start = PretrainedStart(Console(file=said, width=200), CPU)
    cfg = heads(name, **{"train.baseline": True, "train.baseline_steps": 7})[name]
    train = start._without_own_baseline(cfg).train
    assert (train.baseline, train.baseline_steps) == ((True, 7) if kept else (False, None))
    assert ("no baseline is trained: linear learns from the labels alone" in said.getvalue()) != kept


def test_the_score_of_the_chosen_head_is_an_estimate(tmp_path: Path) -> None:
    label = np.arange(60) % 3
    data = dataset(tmp_path, label, np.arange(24))
    estimate = choose_head(heads("linear"), data, clusters(label, distance=9.0), device=CPU).estimate
    assert estimate is not None and (estimate.method, estimate.labels) == ("linear", 24)
    assert estimate.value == pytest.approx(1.0)
    assert estimate.how == "each label predicted once by heads trained without it, in 4 folds"
    noise = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
    choice = choose_head(heads("linear"), data, noise, device=CPU)
    assert choice.estimate is not None and "3 times" in choice.estimate.how
    assert (choice.estimate.value, choice.estimate.standard_error) == choice.scores["linear"]
    assert HeadChoice("linear", {}, "accuracy", "few").estimate is None
    two = HeadChoice("a", {"a": (0.9, 0.05), "b": (0.8, 0.05)}, "accuracy", "", 40, 3)
    assert two.estimate is not None and two.estimate.how.endswith("; chosen among 2 heads")
    assert two.estimate.sentence == (
        "about 90% accuracy by cross-validation on 40 labels (standard error 5.0 points): an estimate, not a test score"
    )
