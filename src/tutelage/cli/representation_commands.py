"""The commands probe and embed, which use the features of a run. Each parses its arguments and calls one function."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tutelage import commands
from tutelage.cli.application import Device, Integer, WhichNetwork, Workers, app, path, threads
from tutelage.core.console import screen


@app.command(
    sort_key=4.5,
    usage="Usage: tutelage probe RUN DATA [OPTIONS]",
    help_epilogue="Example: tutelage probe runs/moco photos/ --label-counts 40,250,all --out probe.json",
)
def probe(
    run: str,
    data: str,
    /,
    *,
    labels: str | None = None,
    test: str | None = None,
    label_counts: str | None = None,
    seeds: Integer = 5,
    kind: str | None = None,
    no_random: bool = False,
    augment: bool = False,
    label_balance: Literal["balanced", "proportional"] = "balanced",
    network: WhichNetwork = "auto",
    device: Device = "auto",
    workers: Workers = 2,
    out: str | None = None,
    overwrite: bool = False,
) -> None:
    """Measure how good the features of a run are, with simple classifiers on its frozen network.

    Parameters
    ----------
    run
        Run folder: pretrained, trained or imported.
    data
        Labeled images: class folders, folder with --labels, tar shards, Parquet or .npz, or the word digits.
    labels
        CSV with the columns path,label. [default: labels in DATA]
    test
        Labeled images to score on. [default: the test split of DATA, or else a fifth of the labels, held out]
        With very few labels and no test images, cross-validation is used instead.
    label_counts
        Numbers of labels to train on, separated by commas, or all. [default: 4, 25 and 400 per class, and all]
    seeds
        Number of random draws of the labels.
    kind
        Probes, separated by commas: knn (nearest neighbors), linear, logistic (regression). [default: all installed]
    no_random
        Skip the baseline, which is the same network with random weights.
    augment
        Crop and flip images at random in each epoch of the linear probe, as published; slow.
    label_balance
        How labels are spread over classes.
    out
        File to write the results to, .json or .md. [default: none]
    overwrite
        Replace the file if it exists.
    """
    kinds = None if kind is None else tuple(word.strip() for word in kind.split(","))
    cfg = commands.ProbeConfig(
        label_counts=None if label_counts is None else commands.parse_counts(label_counts),
        seeds=seeds,
        kinds=kinds,
        random=not no_random,
        augment=augment,
        label_balance=label_balance,
    )
    commands.probe_run(
        Path(run),
        data,
        cfg,
        labels=labels,
        test=test,
        network=network,
        device=device,
        workers=threads(workers),
        out=path(out),
        overwrite=overwrite,
        console=screen(),
    )


@app.command(
    sort_key=4.6,
    usage="Usage: tutelage embed RUN DATA --out FILE [OPTIONS]",
    help_epilogue="Example: tutelage embed runs/moco photos/ --out embeddings.parquet --report map.html",
)
def embed(
    run: str,
    data: str,
    /,
    *,
    out: str,
    labels: str | None = None,
    network: WhichNetwork = "auto",
    device: Device = "auto",
    workers: Workers = 2,
    report: str | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> None:
    """Write the features of images as a table: path, label if known, and one column per feature.

    Parameters
    ----------
    run
        Run folder: pretrained, trained or imported.
    data
        Images with or without labels: a folder, an image, a list, tar shards, Parquet or .npz, or the word digits.
    out
        File to write: .parquet, .npz or .csv.
    labels
        CSV with the columns path,label. [default: labels in DATA, if any]
    report
        HTML file to write a map of the images to. [default: none]
    overwrite
        Replace files that exist.
    resume
        Go on with a file that was interrupted.
    """
    commands.embed_run(
        Path(run),
        data,
        out=Path(out),
        labels=labels,
        network=network,
        device=device,
        workers=threads(workers),
        report=path(report),
        overwrite=overwrite,
        resume=resume,
        console=screen(),
    )
