"""Presets whose source draws each batch from all images: labeled and unlabeled images are visited equally often."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tutelage import config
from tutelage.data.images.dataset import load_images
from tutelage.data.sampler import StreamSampler
from tutelage.run.method_by_name import resolved

STEPS = 10  # an epoch of 100 rows per step of 1,000 images, the published 500 of 50,000 on a smaller scale
EQUAL = (
    "mean-teacher-cifar10-4000-conv-large",
    "pi-model-cifar10-4000-conv-large",
    "sntg-pi-model-cifar10-4000-conv-large",
    "sntg-temporal-ensembling-cifar10-4000-conv-large",
    "temporal-ensembling-cifar10-4000-conv-large",
    "temporal-ensembling-cifar100-10000-conv-large",
)


def visits(preset: str, images: int, labels: int, steps: int, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """How often each labeled, and each other, image comes up in `steps` steps of a preset."""
    pixels = np.random.default_rng(0).integers(0, 256, (images, 8, 8), dtype=np.uint8)
    np.savez(folder / "images.npz", x=pixels, y=np.arange(images) % 10)
    given = {"data.path": str(folder / "images.npz"), "data.label_count": labels}
    cfg = resolved(config.resolve(given, preset=preset))
    data = load_images(cfg.data, seed=0)
    assert len(data.labeled_rows) == labels
    seen = np.zeros(images, dtype=int)
    for stream, rows, batch in (
        ("labeled", data.labeled_rows, cfg.train.batch_size),
        ("unlabeled", data.unlabeled_rows, cfg.train.unlabeled_batch),
    ):
        sampler = StreamSampler(rows, batch, seed=0, stream=stream)
        for step in range(steps):
            np.add.at(seen, sampler.rows_at(step), 1)
    labeled = np.isin(np.arange(images), data.labeled_rows)
    return seen[labeled], seen[~labeled]


@pytest.mark.parametrize("preset", EQUAL)
def test_an_epoch_visits_each_image_once(preset: str, tmp_path: Path) -> None:
    labels = STEPS * int(config.read_preset(preset)["train"]["batch_size"])
    labeled, others = visits(preset, 100 * STEPS, labels, STEPS, tmp_path)
    assert (labeled == 1).all() and (others == 1).all()


def test_one_labeled_image_per_step_on_svhn_visits_three_in_four_as_the_preset_says(tmp_path: Path) -> None:
    preset = "temporal-ensembling-svhn-1000-conv-large"
    labeled, others = visits(preset, 7_326, 100, 73, tmp_path)  # a tenth of SVHN
    assert labeled.sum() == 73 and labeled.max() == 1
    assert others.mean() == pytest.approx(1.0, abs=0.001)
    assert "an epoch visits 732 of the 1,000" in config.preset_table(preset)["preset"]["deviations"]
