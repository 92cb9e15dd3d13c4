from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tutelage import cli, config
from tutelage.core.errors import ConfigError
from tutelage.run.batches import fit_batches

BRIEF = ["--steps", "2", "--device", "cpu", "--network", "small", "--network.width", "8", "--no-report"]


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Thirty images, of which ten have a label."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez(
        "few.npz", x=rng.integers(0, 256, (30, 8, 8), np.uint8), y=np.where(np.arange(30) < 10, np.arange(30) % 2, -1)
    )
    return "few.npz"


def fitted(rows: int, **settings: object) -> tuple[int, int, list[str]]:
    """Batch size, unlabeled batch, and what is said."""
    said: list[str] = []
    named = {name.replace("__", "."): value for name, value in settings.items()}
    cfg = config.resolve({"data.path": "digits"} | named)
    train = fit_batches(cfg, np.arange(rows), tell=said.append).train
    return train.batch_size, train.unlabeled_batch, said


def test_an_unlabeled_batch_is_lowered_to_the_images_there_are_and_labeled_rows_repeat() -> None:
    mean_teacher = {"method__name": "mean-teacher", "train__batch_size": 128}
    assert fitted(60, **mean_teacher)[:2] == (128, 60)
    assert fitted(128, **mean_teacher) == (128, 128, [])
    assert fitted(7, method__name="fixmatch", train__batch_size=64, train__unlabeled_ratio=7.0)[:2] == (64, 7)
    assert fitted(3, method__name="supervised", train__batch_size=64) == (64, 64, [])


def test_a_batch_of_a_pretraining_is_lowered_to_what_its_splits_divide() -> None:
    moco = {"method__name": "moco-v2", "train__batch_size": 128, "network__bn_splits": 4}
    assert fitted(62, **moco)[:2] == (60, 60)
    with pytest.raises(ConfigError, match="bn_splits 4 does not divide the batch of 126"):
        fitted(200, **moco | {"train__batch_size": 126})
    with pytest.raises(ConfigError, match="learns from unlabeled images, and there are none"):
        fitted(0, **moco)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "--method", "mean-teacher", "--batch-size", "128"], "unlabeled batch of 128 is larger than the 30"),
        (["train", "--preset", "fixmatch-cpu"], "unlabeled batch of 128 is larger than the 30 images"),
        (["pretrain", "--batch-size", "128"], "the batch of 128 is larger than the 30 images there are: it is lowered"),
        (["pretrain"], "is larger than the 30 images there are: it is lowered to 28 (--batch-size 28)"),
    ],
)  # fmt: skip
def test_a_run_says_which_batch_it_lowers_and_goes_on(
    words: list[str], said: str, few: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([words[0], few, "--out", "r", *words[1:], *BRIEF]) == 0
    assert said in " ".join(capsys.readouterr().out.split())


def test_a_run_with_a_lowered_batch_goes_on_with_the_settings_as_they_were_asked(
    few: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--method", "mean-teacher", "--batch-size", "128", "--unlabeled-ratio", "2"]
    assert cli.run(["train", few, "--out", "r", *asked, *BRIEF]) == 0
    assert json.loads(Path("r/config.json").read_text())["lowered"] == {"train.unlabeled_ratio": 2.0}
    assert cli.run(["train", "--resume", "r", *asked]) == 0
    assert cli.run(["train", "--resume", "r", "--unlabeled-ratio", "3"]) == 2
    assert "--unlabeled-ratio is 0.234375, not 3.0" in capsys.readouterr().err
