"""Fine-tuning a pretrained network from a head on its features, the trial on held-out labels, and what is kept."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import tutelage
from support.pictures import SIZE, all_kept, pictures, save_pictures
from support.runs import cut_back, digests, unsealed
from tutelage.commands import fine_tune
from tutelage.config import RunConfig, resolve
from tutelage.core.errors import ConfigError, Interrupted
from tutelage.core.sealed import SEAL
from tutelage.data.images.dataset import load_images
from tutelage.run import fine_tuning
from tutelage.run.budget import Lengths
from tutelage.run.data_modules import head_choice
from tutelage.run.data_modules import trial as trials
from tutelage.run.data_modules.trial import Trial, judged, rows_to_hold, without
from tutelage.run.estimate import KEY, Estimate
from tutelage.run.run_record import KEPT_FILE, TUNED_FOLDER, RunRecord

STEPS = 3


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 training images, 90 of them with a label, and 9 to test."""
    return save_pictures(tmp_path_factory.mktemp("photos") / "train.npz", 150, labels=90, test=9)


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with all_kept(tmp_path_factory.mktemp("features"), STEPS) as patch:
        patch.setattr(head_choice, "_REPEATS", 1)  # what cross-validation finds does not matter here
        patch.setattr(head_choice, "_USUAL_STEPS", 5)
        yield


def settings(**more: Any) -> dict[str, Any]:
    small = {
        "data.image_size": SIZE,
        "data.val_share": 0.0,
        "train.batch_size": 3,
        "train.unlabeled_ratio": 2.0,
        "train.log_every": 1,
        "train.workers": 0,
        "train.device": "cpu",
    }
    return small | more


@pytest.fixture(scope="module")
def head(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head on frozen features; not to be written to."""
    out = tmp_path_factory.mktemp("head") / "run"
    return tutelage.train(photos, out=out, preset="softmatch-features", settings=settings(**{"train.steps": 5})).path


def tune(photos: Path, out: Path, *, preset: str = "softmatch-finetuned", **more: Any) -> Path:
    given = settings(**({"train.steps": STEPS, "train.checkpoint_every": 1} | more))
    return tutelage.train(photos, out=out, preset=preset, settings=given).path


@pytest.fixture(scope="module")
def tuned(photos: Path, head: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three steps from that head; not to be written to."""
    dims = RunRecord(head).cfg.network.feature_dims or 149
    more = {"train.init_from": str(head), "network.feature_dims": dims}
    return tune(photos, tmp_path_factory.mktemp("tuned") / "run", **more)


def tensors(run: Path, step: int) -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / f"step-{step:08d}.safetensors")


@pytest.mark.long
def test_it_starts_where_the_head_ended(photos: Path, head: Path, tmp_path: Path) -> None:
    images = pictures(9, 1)[0].transpose(0, 3, 1, 2)
    more = {"train.init_from": str(head), "network.feature_dims": 149, "optimizer.lr": 1e-12}
    same = tune(photos, tmp_path / "run", **more, **{"train.steps": 1})
    probs = [tutelage.load(run).probabilities(images) for run in (head, same)]
    torch.testing.assert_close(probs[0], probs[1], rtol=0, atol=1e-4)


@pytest.mark.long
def test_without_another_run_it_starts_at_the_logistic_regression_of_the_features(photos: Path, tmp_path: Path) -> None:
    images = pictures(9, 1)[0].transpose(0, 3, 1, 2)
    linear = tutelage.train(
        photos,
        out=tmp_path / "linear",
        preset="linear-features",
        settings=settings(**{"train.steps": 1, "optimizer.lr": 1e-12}),
    ).path
    more = {"optimizer.lr": 1e-12, "train.steps": 1}
    same = tune(photos, tmp_path / "run", preset="supervised-finetuned", **more)
    probs = [tutelage.load(run).probabilities(images) for run in (linear, same)]
    torch.testing.assert_close(probs[0], probs[1], rtol=0, atol=2e-3)
    assert RunRecord(same).cfg.network.feature_dims == 149  # of 150 images


def test_only_the_last_stages_learn_and_no_batch_norm_moves(tuned: Path) -> None:
    before, after = tensors(tuned, 0), tensors(tuned, STEPS)
    student = "method.student."
    changed = {name for name in before if name.startswith(student) and not torch.equal(before[name], after[name])}
    assert f"{student}trunk.blocks.4.0.conv_pw.weight" in changed and f"{student}head.weight" in changed
    lower = ("trunk.conv_stem", "trunk.bn1", "trunk.blocks.0", "trunk.blocks.1", "trunk.blocks.2", "trunk.blocks.3")
    assert not [name for name in changed if name.removeprefix(student).startswith((*lower, "transform."))]
    assert not [name for name in changed if "running_" in name or "num_batches" in name]


@pytest.mark.parametrize("step", [0, 2])
def test_a_resume_gives_the_bits_of_a_run_that_was_not_stopped(step: int, tuned: Path, tmp_path: Path) -> None:
    cut = cut_back(tuned, tmp_path / "cut", step)
    tutelage.train(resume=cut)
    assert digests(cut) == digests(tuned)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"train.trained_stages": 9}, "has 8 stages, got 9"),
        ({"train.trained_stages": 0}, r"train.trained_stages must be in \[1, 100\], got 0"),
        ({"network.name": "small", "network.feature_dims": None}, "train.trained_stages does nothing without"),
        (
            {"network.name": "timm:resnet18", "network.pretrained": False},
            "network.feature_dims does nothing without pretrained weights",
        ),
        ({"train.freeze": "all"}, "train.trained_stages does nothing if train.freeze = all"),
        ({"train.finetune": True}, "train.finetune does nothing without a frozen network"),
    ],
)
def test_settings_without_meaning_are_refused(more: dict[str, Any], message: str, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        tune(photos, tmp_path / "run", preset="supervised-finetuned", **more)
    assert not (tmp_path / "run").exists()


def test_fine_tuning_afterwards_needs_a_budget(photos: Path, tmp_path: Path) -> None:
    given = settings(**{"train.steps": 5, "train.finetune": True})
    with pytest.raises(ConfigError, match=r"uses the rest of train\.budget: give a budget, not steps"):
        tutelage.train(photos, out=tmp_path / "run", preset="softmatch-features", settings=given)


# What is held out for a trial


def test_a_quarter_of_each_class_is_held_out_for_a_trial() -> None:
    label = np.repeat([0, 1, 2], [60, 24, 1])
    held = rows_to_hold(label, seed=3)
    assert np.bincount(label[held], minlength=3).tolist() == [15, 6, 0]
    assert np.array_equal(held, rows_to_hold(label, seed=3)) and not np.array_equal(held, rows_to_hold(label, seed=4))
    assert len(rows_to_hold(label[:70], seed=3)) == 0  # 15 + 2 labels would decide nothing


def test_what_is_held_out_stays_in_the_unlabeled_stream(photos: Path) -> None:
    from tutelage.data.images.dataset import load_images

    data = load_images(resolve(settings(**{"data.path": str(photos)})).data, seed=0)
    part = without(data, np.array([0, 5]))
    assert part.labeled_rows.tolist() == np.delete(data.labeled_rows, [0, 5]).tolist()
    assert np.array_equal(part.unlabeled_rows, data.unlabeled_rows) and len(data.labeled_rows) == 90


@pytest.mark.parametrize(("least", "expected"), [(91, (32, 2.0, 1e-4)), (90, (64, 1.0, 3e-4))])
def test_with_many_labels_more_of_a_batch_is_labeled_and_the_rate_is_higher(
    least: int, expected: tuple[int, float, float], head: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fine_tuning, "MANY_LABELS", least)
    cfg = fine_tuning.fine_tuning_config(RunRecord(head), 300.0)
    assert (cfg.train.batch_size, cfg.train.unlabeled_ratio, cfg.optimizer.lr) == expected
    assert cfg.train.budget == "300s" and cfg.network.feature_dims == 149


# The sequence: head, trial, fine-tuning, decision

Sequence = Callable[..., tuple[Path, list[RunConfig]]]


@pytest.fixture
def sequence(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sequence:
    """Runs `train --budget` with few steps in place of what is left of the budget, and a trial of that outcome."""

    def run(
        outcome: tuple[float, ...] | None = None,
        left: float = 500.0,
        estimate: float | None = None,
        data: Path = photos,
    ) -> tuple[Path, list[RunConfig]]:
        planned: list[RunConfig] = []
        config_of = fine_tuning.fine_tuning_config

        def short(record: RunRecord, left: float) -> RunConfig:
            cfg = config_of(record, left)
            planned.append(cfg)
            train = dataclasses.replace(cfg.train, batch_size=3, workers=0)
            return dataclasses.replace(cfg, train=train)

        def tried(cfg: Any, data: Any, network: Any, *rest: Any, **more: Any) -> Any:
            assert outcome is not None
            losses = outcome[2:] or (0.5, 0.5)
            return Trial(22, "accuracy", *outcome[:2], *losses, 0.06, 7), network.state_dict()

        monkeypatch.setattr(fine_tune, "fine_tuning_config", short)

        def seconds_left(record: RunRecord, elapsed: float) -> float:
            if estimate is not None:
                write_estimate(record.path, estimate)
            return left

        monkeypatch.setattr(fine_tune, "seconds_left", seconds_left)
        monkeypatch.setattr("tutelage.run.data_modules.pretrained_start.try_fine_tuning", tried)
        if outcome is None:
            monkeypatch.setattr(trials, "LEAST_HELD", 25)
        monkeypatch.setattr(
            "tutelage.run.session.plan_lengths", lambda *args, **more: (Lengths(STEPS, None, 1.0), None)
        )
        monkeypatch.setattr("tutelage.run.session.step_time", lambda *args, **more: 1.0)  # it would take 20 s
        given = settings(**{"train.finetune": True, "train.budget": "30m"})
        out = tmp_path / "run"
        return tutelage.train(data, out=out, preset="softmatch-features", settings=given).path, planned

    return run


def kept(run: Path) -> dict[str, str]:
    return unsealed(run / KEPT_FILE)


def test_what_wins_the_trial_is_trained_on_with_all_labels_and_predicts(sequence: Sequence) -> None:
    run, planned = sequence((0.8, 0.9))
    assert kept(run)["kept"] == "finetuned"
    assert "90.0% against 80.0% for the head, accuracy on 22 labels" in kept(run)["reason"]
    assert planned[0].train.trial_share == fine_tuning.TRIAL_SHARE and planned[0].method == "softmatch"
    inner = RunRecord(run / TUNED_FOLDER)
    assert inner.finished and len(inner.split["labeled"]) == 90
    assert RunRecord(run).best.path == inner.path and inner.name == "run"
    images = pictures(9, 1)[0].transpose(0, 3, 1, 2)
    assert torch.equal(tutelage.load(run).probabilities(images), tutelage.load(inner.path).probabilities(images))
    outer, own = tutelage.Run(run), RunRecord(run)
    assert outer.kept == kept(run) and outer.model(device="cpu").step == STEPS
    assert outer.metrics == inner.final != own.final and outer.history() == inner.rows != own.rows
    assert f"softmatch (the fine-tuned network), step {STEPS} of {STEPS}; accuracy " in repr(outer)


@pytest.mark.long
def test_what_loses_or_draws_is_not_trained_on_and_the_head_predicts(sequence: Sequence) -> None:
    run, _ = sequence((0.9, 0.9))
    assert kept(run)["kept"] == "head" and "90.0% against 90.0%" in kept(run)["reason"]
    assert kept(run)["reason"].endswith("held out for this, and a log loss of 0.500 against 0.500")
    assert RunRecord(run).best.path == run and not (run / TUNED_FOLDER).exists()
    outer, own = tutelage.Run(run), RunRecord(run)
    assert outer.metrics == own.final and outer.history() == own.rows and outer.kept == kept(run)
    assert "softmatch, step " in repr(outer)


@pytest.mark.long
def test_without_a_trial_it_is_said_that_nothing_was_compared(sequence: Sequence) -> None:
    run, _ = sequence(None)
    assert kept(run)["kept"] == "finetuned" and "90 labels are too few to compare on" in kept(run)["reason"]


@pytest.mark.parametrize(
    ("head", "tuned", "better"),
    [
        ((0.9, 0.1), (0.95, 0.9), True),
        ((0.9, 0.9), (0.85, 0.1), False),
        ((0.9, 0.2), (0.9, 0.1), True),
        ((0.9, 0.1), (0.9, 0.2), False),
    ],
    ids=["higher accuracy", "lower accuracy", "equal, lower loss", "equal, higher loss"],
)
def test_the_log_loss_decides_a_trial_of_equal_accuracy(
    head: tuple[float, float], tuned: tuple[float, float], better: bool
) -> None:
    assert Trial(36, "accuracy", head[0], tuned[0], head[1], tuned[1], 0.1, 7).better == better


@pytest.mark.long
def test_without_test_images_the_score_of_a_fine_tuned_network_is_that_of_the_trial(
    sequence: Sequence, tmp_path: Path
) -> None:
    run = tutelage.Run(sequence((0.8, 0.9), data=save_pictures(tmp_path / "no_test.npz", 150, labels=90))[0])
    assert run.score is not None
    assert (run.score.part, run.score.value, run.score.n) == ("trial", 0.9, 22)
    assert run.score.standard_error == 0.06
    assert str(run.score) == "accuracy 90.0% (22 labels by a trial of the fine-tuning, an estimate)"
    assert set(run.metrics) >= {"cross_validation", "gap", "label_fit"}


@pytest.mark.long
def test_without_a_trial_it_is_that_of_the_head_by_cross_validation(sequence: Sequence, tmp_path: Path) -> None:
    run = tutelage.Run(sequence(data=save_pictures(tmp_path / "no_test.npz", 150, labels=90))[0])
    head = RunRecord(run.path).estimate
    assert head is not None and run.kept is not None and run.kept["kept"] == "finetuned"
    assert run.score is not None and (run.score.part, run.score.value) == ("cross_validation", head.value)
    assert (
        "by cross-validation of the head that fine-tuning started from on 90 labels"
        in (RunRecord(run.path / TUNED_FOLDER).estimate or head).sentence
    )


@pytest.mark.long
def test_too_little_time_leaves_the_head(sequence: Sequence) -> None:
    run, planned = sequence((0.1, 0.9), left=20.0)
    assert not planned and kept(run) == {"kept": "head", "reason": "20 s are left, too few to fine-tune the network"}


def write_estimate(run: Path, value: float) -> None:
    found = Estimate(method="softmatch", metric="accuracy", value=value, standard_error=0.01, labels=90, how="in folds")
    file = run / "result.json"
    result = {name: value for name, value in json.loads(file.read_text()).items() if name != SEAL}  # a change by hand
    file.write_text(json.dumps(result | {KEY: found.to_dict()}))


@pytest.mark.long
def test_a_head_that_cross_validation_found_no_mistake_of_is_kept_as_it_is(sequence: Sequence) -> None:
    run, planned = sequence((0.1, 0.9), estimate=1.0 - 1e-16)
    assert not planned and not (run / TUNED_FOLDER).exists()
    assert kept(run) == {
        "kept": "head",
        "reason": "all 90 labels were predicted right in cross-validation, so that there is nothing to gain that "
        "labels could show",
    }


@pytest.mark.long
def test_a_head_with_a_single_mistake_in_cross_validation_is_fine_tuned(sequence: Sequence) -> None:
    run, planned = sequence((0.8, 0.9), estimate=1.0 - 1 / 270)
    assert len(planned) == 1 and kept(run)["kept"] == "finetuned"


@pytest.mark.long
def test_a_run_that_replaces_a_fine_tuned_one_leaves_nothing_of_it(photos: Path, sequence: Sequence) -> None:
    run, _ = sequence((0.8, 0.9))
    tutelage.train(photos, out=run, overwrite=True, preset="linear-features", settings=settings(**{"train.steps": 1}))
    assert not (run / TUNED_FOLDER).exists() and tutelage.Run(run).kept is None


@pytest.mark.long
def test_a_fine_tuning_that_was_stopped_goes_on_and_ends_in_the_same_bits(
    sequence: Sequence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = sequence((0.8, 0.9))
    whole = digests(run / TUNED_FOLDER)
    cut = cut_back(run, tmp_path / "cut", RunRecord(run).steps)
    (cut / KEPT_FILE).unlink()
    inner = cut_back(run / TUNED_FOLDER, tmp_path / "inner", 0)
    shutil.rmtree(cut / TUNED_FOLDER)
    inner.rename(cut / TUNED_FOLDER)
    tutelage.train(resume=cut)
    assert digests(cut / TUNED_FOLDER) == whole and kept(cut) == kept(run)


@pytest.mark.long
def test_an_interrupt_names_the_outer_run(sequence: Sequence, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*args: Any, **more: Any) -> None:
        raise Interrupted("stopped", 130)

    monkeypatch.setattr(fine_tune, "start_run", stopped)
    with pytest.raises(Interrupted, match=r"stopped in the fine-tuning; resume with resume='.*run'"):
        sequence((0.8, 0.9))


# The trial itself


def test_a_trial_is_judged_by_the_accuracy_and_the_log_loss_of_the_held_out_labels(photos: Path) -> None:
    data = load_images(resolve(settings(**{"data.path": str(photos)})).data, seed=0)
    label = data.train.labels[data.labeled_rows]
    held = np.array([0, 1, 5])

    def probs(rows: np.ndarray, right: float) -> np.ndarray:
        """The true class has the probability `right`, and that of the first row is wrong."""
        assert (rows == data.labeled_rows[held]).all()
        found = np.full((3, 3), (1 - right) / 2)
        found[np.arange(3), label[held]] = right
        found[0] = np.roll(found[0], 1)
        return np.log(found)

    trial = judged(data, held, head=lambda rows: probs(rows, 0.8), tuned=lambda rows: probs(rows, 0.5), steps=7)
    assert trial.head == trial.tuned == pytest.approx(2 / 3)
    assert trial.head_loss == pytest.approx(-(2 * np.log(0.8) + np.log(0.1)) / 3)
    assert trial.tuned_loss == pytest.approx(-(2 * np.log(0.5) + np.log(0.25)) / 3)
    assert trial.error == pytest.approx((2 / 3 * 1 / 3 / 3) ** 0.5)
    assert trial.better == (trial.tuned_loss < trial.head_loss)


@pytest.mark.long
def test_a_trial_trains_without_the_held_out_labels_and_scores_both_on_them(
    photos: Path, head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(trials, "step_time", lambda *args, **more: 25.0)
    monkeypatch.setattr(trials, "LEAST_STEPS", STEPS)
    train_head = trials.train_head

    def noted(cfg: Any, part: Any, *rest: Any) -> Any:
        seen["labeled"] = part.labeled_rows
        return train_head(cfg, part, *rest)

    judged = trials.judged

    def judging(data: Any, held: Any, **more: Any) -> Trial:
        seen["held"], seen["trial"] = data.labeled_rows[held], judged(data, held, **more)
        return dataclasses.replace(seen["trial"], tuned=2.0)  # whatever it was: kept

    monkeypatch.setattr(trials, "train_head", noted)
    monkeypatch.setattr(trials, "judged", judging)
    more = {"train.init_from": str(head), "network.feature_dims": 149, "train.trial_share": 0.3}
    monkeypatch.setattr("tutelage.run.session.plan_lengths", lambda *args, **more: (Lengths(STEPS, None, 1.0), None))
    monkeypatch.setattr("tutelage.run.session.step_time", lambda *args, **more: 1.0)
    run = tune(photos, tmp_path / "run", **more, **{"train.steps": None, "train.budget": "5m"})
    assert len(seen["held"]) == 24 and not set(seen["held"]) & set(seen["labeled"])  # 8 of the 30 of each class
    assert seen["trial"].labels == 24 and seen["trial"].steps == STEPS
    assert 0.3 < seen["trial"].head <= 1.0 and 0.3 < seen["trial"].tuned <= 1.0
    start, origin = tensors(run, 0), tensors(head, 5)
    assert not torch.equal(start["method.student.head.weight"], origin["method.student.head.weight"])
    assert "on 24 labels that were held out" in str(RunRecord(run).trial)


def test_a_trial_that_could_not_hold_ten_steps_is_not_begun(
    photos: Path, head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "step_time", lambda *args, **more: 9.0)  # 90 s, of which 9 are for timing
    more = {"train.init_from": str(head), "network.feature_dims": 149, "train.trial_share": 0.3}
    with pytest.raises(ConfigError, match=r"a step takes 9\.0 s, and the 90 s for a trial must hold at least 10"):
        tune(photos, tmp_path / "run", **more, **{"train.steps": None, "train.budget": "5m"})
    assert not (tmp_path / "run").exists()
