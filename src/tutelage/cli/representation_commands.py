"""The commands that look at the features of a run's network: each parses, calls one function, and prints."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tutelage import commands
from tutelage.cli.application import Integer, app, path, threads
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
    network: str = "auto",
    device: str = "auto",
    workers: Integer = 2,
    out: str | None = None,
    overwrite: bool = False,
) -> None:
    """Say how good the features of a run are, by simple classifiers on its frozen network.

    Parameters
    ----------
    run
        Run folder: pretrained, trained or imported.
    data
        Labeled images: class folders, a folder with --labels, tar shards, .npz file, or digits.
    labels
        CSV with the columns path,label.
    test
        Labeled images to score on; without it those of the split test, or a fifth of the labels that is held out, or,
        with few labels, each fifth in turn.
    label_counts
        Numbers of labels, separated by commas; all is a number too [default: 4, 25 and 400 a class, and all].
    seeds
        Draws of the labels for each.
    kind
        knn (nearest neighbors), linear (probe), logistic (regression), or some of them, separated by commas [default:
        all that are installed].
    no_random
        Leave out the same network with random weights, which is what its numbers are to be compared with.
    augment
        Crop and mirror images anew in each epoch of the linear probe, as published; each epoch then takes a pass
        through the network, and without it features are computed once.
    label_balance
        How labels spread over classes: balanced or proportional.
    network
        Which network: auto (the one that the method evaluates), student, or teacher.
    device
        auto, cpu, cuda, cuda:1, mps.
    workers
        Threads that decode images.
    out
        File to write the numbers to, .json or .md.
    overwrite
        Replace the file.
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
    network: str = "auto",
    device: str = "auto",
    workers: Integer = 2,
    report: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write the features of images: a table with path, label where it is known, and one column a feature.

    Parameters
    ----------
    run
        Run folder: pretrained, trained or imported.
    data
        Any images: a folder with or without labels, an image, a list of paths, tar shards, .npz file, or digits.
    out
        File to write: .parquet, .npz or .csv.
    labels
        CSV with the columns path,label.
    network
        Which network: auto (the one that the method evaluates), student, or teacher.
    device
        auto, cpu, cuda, cuda:1, mps.
    workers
        Threads that decode images.
    report
        HTML file to write a map of the images to.
    overwrite
        Replace the files.
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
        console=screen(),
    )
