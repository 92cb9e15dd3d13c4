"""No command writes onto what it reads, whatever its flags: every command with an output, on images."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tutelage
from tutelage.core.errors import RunError

KEPT = r"read here, so \S+ is never replaced"


def test_predictions_never_replace_a_list_a_table_or_a_file_of_the_run(world: Any, refused: Any) -> None:
    run = world.run()
    world.write("list.csv", "path\ndata/cat/0.png\n")
    world.write("data/labels.csv", "path,label\ncat/0.png,cat\n")
    os.link("data/labels.csv", "again.csv")
    world.write("run/labels.csv", "path,label\n")
    for data, out in (
        ("list.csv", "list.csv"),
        ("data", "data/labels.csv"),
        ("data", "again.csv"),
        ("data", "run/labels.csv"),
    ):
        for more in ([], ["--overwrite"]):
            refused(["predict", run, data, "--out", out, *more], KEPT)


def test_features_never_replace_their_images(world: Any, refused: Any) -> None:
    run = world.run()
    rng = np.random.default_rng(0)
    np.savez(world.path("data.npz"), x=rng.integers(0, 256, (4, 8, 8, 3), np.uint8), y=np.arange(4) % 2)
    world.write("labels.csv", "path,label\ncat/0.png,cat\n")
    refused(["embed", run, "data.npz", "--out", "data.npz", "--overwrite"], KEPT)
    refused(["embed", run, "data", "--labels", "labels.csv", "--out", "labels.csv", "--overwrite"], KEPT)


def test_scores_never_replace_what_was_scored_or_the_run(world: Any, refused: Any) -> None:
    run = world.run()
    refused(["evaluate", run, "data", "--out", "run/result.json", "--overwrite"], KEPT)
    refused(["probe", run, "data", "--out", "run/config.json", "--overwrite"], KEPT)
    world.write("data/scores.json", "mine")
    refused(["evaluate", run, "data", "--out", "data/scores.json", "--overwrite"], KEPT)
    refused(["probe", run, "data", "--out", "data/scores.json", "--overwrite"], KEPT)


def test_plots_never_replace_the_images_of_a_run(world: Any, refused: Any) -> None:
    run = world.run()
    refused(["report", run, "--out", "r.html", "--plots", "data/cat"], KEPT)


def test_chosen_and_cleaned_lists_never_replace_the_labels_they_are_made_from(world: Any, refused: Any) -> None:
    world.table("path,label\na.png,cat\nb.png,dog\n")
    words = ["photos", "--labels", "labels.csv", "--overwrite"]
    refused(["select", *words, "--count", "2", "--out", "labels.csv"], KEPT)
    refused(["clean", *words, "--cleaned", "labels.csv"], KEPT)
    refused(["clean", *words, "--out", "labels.csv"], KEPT)
    world.write("photos/labels.csv", "path,label\na.png,cat\n")
    refused(["clean", "photos", "--cleaned", "photos/labels.csv", "--overwrite"], KEPT)


def test_labels_that_a_run_was_trained_with_are_kept_where_it_gives_its_features(world: Any, refused: Any) -> None:
    run = world.run()
    world.write("labels.csv", "path,label\ncat/0.png,cat\n")
    world.config(lambda config: config["settings"]["data"].update(labels=str(world.root / "labels.csv")))
    refused(["select", "data", "--count", "2", "--run", run, "--out", "labels.csv", "--overwrite"], KEPT)
    refused(["clean", "data", "--run", run, "--out", "labels.csv", "--overwrite"], KEPT)


def test_a_picture_of_views_never_replaces_an_image(world: Any, refused: Any) -> None:
    world.photos()
    refused(["show", "photos", "--out", "photos/cat/0.png", "--overwrite"], KEPT)


def test_a_run_never_replaces_the_run_or_the_weights_it_starts_from(world: Any, refused: Any) -> None:
    run = world.run()
    shutil.copy("run/result.json", "run/backbone.safetensors")
    words = ["train", "data", "--out", run, "--overwrite", "--steps", "2", "--device", "cpu"]
    refused([*words, "--network", "wrn-10-1", "--init-from", run], KEPT)
    refused([*words, "--network", "efficientnet-lite0", "--network.weights", "run/backbone.safetensors"], KEPT)
    refused(["train", "data", "--out", run, "--steps", "2", "--network", "wrn-10-1", "--init-from", run], KEPT)
    refused(["pretrain", "data", "--out", run, "--overwrite", "--steps", "2", "--init-from", run], KEPT)
    refused(["import-weights", "run/backbone.safetensors", "--out", run, "--overwrite"], KEPT)


def test_python_keeps_what_it_reads_too(world: Any) -> None:
    run = world.run()
    world.write("labels.csv", "path,label\ncat/0.png,cat\n")
    before = Path("labels.csv").read_bytes()
    for write in (
        lambda: tutelage.embed(run, "data", labels="labels.csv", out="labels.csv", overwrite=True),
        lambda: tutelage.select("data", count=2, labels="labels.csv", out="labels.csv", overwrite=True),
        lambda: tutelage.clean("data", labels="labels.csv", cleaned="labels.csv", overwrite=True),
        lambda: tutelage.predict(run, "labels.csv", out="labels.csv", overwrite=True),
        lambda: tutelage.show("data", out="data/cat/0.png", overwrite=True),
    ):
        with pytest.raises(RunError, match="never replaced"):
            write()
    assert Path("labels.csv").read_bytes() == before


def test_labels_that_a_run_keeps_may_be_given_again_when_it_is_replaced(world: Any) -> None:
    world.run()
    table = {f"{kind}/{number}.png": kind for kind in ("cat", "dog") for number in range(2)}
    brief = {"train.steps": 2, "train.batch_size": 4, "train.device": "cpu", "network.name": "wrn-10-1"}
    for folder in ("cat", "dog"):
        shutil.copytree(f"data/{folder}", f"flat/{folder}")
    words: dict[str, Any] = {"out": "again", "method": "supervised", "settings": brief}
    tutelage.train("flat", labels=table, **words)
    before = Path("again/labels.csv").read_bytes()
    tutelage.train("flat", labels="again/labels.csv", overwrite=True, **words)
    assert Path("again/labels.csv").read_bytes() == before


def test_a_run_among_its_images_is_refused_since_it_would_be_a_class(world: Any, refused: Any) -> None:
    world.photos()
    words = ["--steps", "2", "--batch-size", "4", "--network", "wrn-10-1", "--device", "cpu"]
    refused(["train", "photos", "--out", "photos/runs/a", *words], "photos/runs/a lies in .*photos, where images are")
    refused(["pretrain", "photos", "--out", "photos/cat/run", *words], "choose a folder elsewhere")


def test_a_comparison_goes_neither_onto_its_labels_nor_among_its_images(world: Any, refused: Any) -> None:
    world.table("path,label\na.png,cat\nb.png,dog\n")
    words = ["compare", "photos", "--methods", "supervised", "--steps", "2", "--network", "wrn-10-1"]
    world.write("cmp/results.csv", "path,label\na.png,cat\nb.png,dog\n")
    refused([*words, "--labels", "cmp/results.csv", "--out", "cmp"], KEPT)
    refused([*words, "--labels", "labels.csv", "--out", "photos/cmp"], "photos/cmp lies in .*, where images are read")
