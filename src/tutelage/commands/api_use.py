"""The functions of the Python API that use a run: `load`, `predict`, `evaluate`, `embed`, `probe` and `report`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tutelage.commands.api_guard import guarded
from tutelage.commands.run import Run
from tutelage.core.errors import ConfigError
from tutelage.core.files import refuse_file
from tutelage.core.inputs import refuse_input, require_path
from tutelage.core.precision import float32_by_default
from tutelage.core.seeding import own_random_state
from tutelage.core.wording import named
from tutelage.data.images.given import Images
from tutelage.data.images.given_labels import Labels, label_file
from tutelage.data.scans.given import Scans
from tutelage.inference.hub import local_folder
from tutelage.inference.images.calibrate import Calibrated, calibrate_model
from tutelage.inference.images.embed import SUFFIXES, list_to_embed, table_of, write_embedded
from tutelage.inference.images.encoder import Encoder
from tutelage.inference.images.explain.folder import refuse_maps
from tutelage.inference.images.model import Model
from tutelage.inference.images.prediction import Predictions
from tutelage.inference.images.probe.probe import ProbeConfig
from tutelage.inference.images.probe.probe import probe as probe_encoder
from tutelage.inference.images.probe.table import ProbeTable
from tutelage.inference.load import load_model, model_class
from tutelage.inference.model import Scores
from tutelage.inference.scans.model import ScanModel
from tutelage.inference.scans.prediction import Segmentations
from tutelage.results.report.write import Format, write_report
from tutelage.run.reads import read_of_run

if TYPE_CHECKING:
    import pandas as pd

Which = Literal["auto", "student", "teacher"]


@guarded
def load(run: str | Path | Run, *, network: str = "auto", device: str = "auto") -> Model | ScanModel:
    """The trained model of a run, for images or scans; see `Model.load` and `ScanModel.load`.

    Args:
        run: also a folder or safetensors file that `export` wrote, or the name `OWNER/MODEL` of such a folder on the
            Hugging Face Hub.

    Raises:
        TutelageError: there is no such run, it is damaged, or the hub cannot be reached.
    """
    return load_model(local_folder(_path(run)), network=network, device=device)


@guarded
def predict(
    run: str | Path | Run,
    data: Images | Scans,
    *,
    out: str | Path | None = None,
    network: str = "auto",
    device: str = "auto",
    workers: int = 2,
    overwrite: bool = False,
    **options: Any,
) -> Predictions | Segmentations:
    """What a run predicts: classes of images, see `Model.predict`, or masks of scans, see `ScanModel.predict`.

    To predict more than once, `load` the model and keep it.

    Args:
        data: paths, PIL images, arrays, tensors; for scans also images of nibabel.
        out: CSV file for the table of images; folder for the masks of scans.
        network: "student", "teacher", or "auto" for the one that the method evaluates.
        workers: threads that decode images.
        overwrite: replace what is in `out`.
        **options: of images only: `coverage`, `unlike` and `like`, as in `Model.predict`, and, with `out`, `explain`, a
            folder for heat maps of the least certain images (at most 200). Of scans only: `spacing`, `affine` and
            `probabilities` as in `ScanModel.predict`, `flips` and `largest_component` as in `ScanModel.load`.

    Raises:
        TutelageError: the run, the data or `out` is invalid.
    """
    kind = model_class(_path(run), options, "predict_options")
    if out is not None:
        refuse_input(Path(out), read_of_run(_path(run)))
    if (folder := options.get("explain")) is not None:
        if out is None:
            raise ConfigError("explain needs out, a table beside the heat maps; for arrays, use Model.explain")
        refuse_maps(Path(folder), overwrite=overwrite, reads=(data, *read_of_run(_path(run), data=True)))
    loading = {name: options.pop(name) for name in kind.load_options if name in options}
    model = load_model(_path(run), network=network, device=device, **loading)
    if isinstance(model, ScanModel):
        return model.predict(data, out=out, overwrite=overwrite, **options)  # type: ignore[arg-type]
    if out is None:
        return model.predict(data, workers=workers, **options)  # type: ignore[arg-type]
    written = model.predict_into(data, Path(out), workers=workers, overwrite=overwrite, keep=True, **options)  # type: ignore[arg-type]
    return Predictions.of(written.predictions, model.classes, written.items)


@guarded
def evaluate(
    run: str | Path | Run,
    data: str | Path,
    *,
    labels: Labels | None = None,
    network: str = "auto",
    device: str = "auto",
    workers: int = 2,
    **options: bool,
) -> Scores:
    """How good a run is on labeled images or scans: metrics by name, as a mapping.

    Args:
        data, labels: as in `train`; of data with splits, the test split is scored.
        network: "student", "teacher", or "auto" for the one that the method evaluates.
        **options: of scans only: `flips` and `largest_component`, as in `ScanModel.load`.

    Raises:
        TutelageError: the run or the data is invalid.
    """
    model_class(_path(run), options, "load_options")
    model = load_model(_path(run), network=network, device=device, **options)
    return model.evaluate(data, labels=labels, workers=workers)


@guarded
@own_random_state()
@float32_by_default()
def calibrate(
    run: str | Path | Run,
    data: str | Path,
    *,
    labels: Labels | None = None,
    device: str = "auto",
    workers: int = 2,
) -> Calibrated:
    """Make the probabilities of a run as sure as they are right, by labeled images that it has not learned from.

    A run with validation images, or with at least 100 labels on frozen features, is calibrated when it is trained.
    Models that are loaded later are calibrated with temperature scaling (arXiv:1706.04599) if there are at least 100 of
    these images, and the sets of `Model.predict(coverage=...)` rest on them.

    Args:
        run: a run folder, on images; not a model that was exported.
        data, labels: labeled images, as in `train`; those whose labels the run learned from are left out.

    Raises:
        TutelageError: the run or the data is invalid.
    """
    with label_file(labels) as table:
        return calibrate_model(
            _path(run), str(data), labels=table, device=device, workers=workers, tell=lambda line: None
        )


@guarded
@own_random_state()
@float32_by_default()
def embed(
    run: str | Path | Run,
    data: Images,
    *,
    labels: Labels | None = None,
    out: str | Path | None = None,
    network: str = "auto",
    device: str = "auto",
    workers: int = 2,
    overwrite: bool = False,
) -> pd.DataFrame:
    """A table of `path, label, f0, f1, ...`: the features of each image; the label is None if unknown.

    Images that cannot be read are left out.

    Args:
        run: trained, pretrained or imported, on images.
        data: as in `Model.predict`, with or without labels.
        labels: of a folder of images, as in `train`.
        out: file to write the table to, too: .parquet, .npz or .csv.
        network: "student", "teacher", or "auto" for the one that the method evaluates.

    Raises:
        TutelageError: the run, the data or `out` is invalid.
    """
    file = None if out is None else Path(out)
    with label_file(labels) as table:
        refuse_file(file, overwrite=overwrite, reads=(data, table, *read_of_run(_path(run))), endings=SUFFIXES)
        encoder = Encoder.load(_path(run), network=network, device=device)
        items = list_to_embed(data, table, channels=encoder.channels)
    blocks = write_embedded(encoder, items, file, workers=workers)
    return table_of(blocks)


@guarded
@own_random_state()
@float32_by_default()
def probe(
    run: str | Path | Run,
    data: str | Path,
    *,
    labels: Labels | None = None,
    test: str | Path | None = None,
    label_counts: Sequence[int | Literal["all"]] | None = None,
    seeds: int = 5,
    kind: str | Sequence[str] | None = None,
    random: bool = True,
    augment: bool = False,
    label_balance: Literal["balanced", "proportional"] = "balanced",
    network: str = "auto",
    device: str = "auto",
    workers: int = 2,
) -> ProbeTable:
    """How good the features of a run are: the accuracy of simple classifiers on its frozen network.

    Args:
        run: trained, pretrained or imported, on images.
        data, labels: labeled images, as in `train`.
        test: labeled images to score on; None takes the test split of `data`, or a fifth of the labels, or
            cross-validates if there are few.
        label_counts: numbers of labels to train on, or "all"; None takes 4, 25 and 400 per class, and all.
        seeds: number of random draws of the labels.
        kind: "knn", "linear" or "logistic", or several of them; None takes all that are installed.
        random: also probe the same network with random weights.
        augment: crop and flip images at random in each epoch of the linear probe, as published; slow.
        label_balance: how labels are spread over classes.

    Raises:
        TutelageError: the run or the data is invalid.
    """
    counts = None if label_counts is None else tuple(_count(count) for count in label_counts)
    cfg = ProbeConfig(
        label_counts=counts,
        seeds=seeds,
        kinds=(kind,) if isinstance(kind, str) else None if kind is None else tuple(kind),
        random=random,
        augment=augment,
        label_balance=label_balance,
    )
    with label_file(labels) as table:
        result = probe_encoder(
            _path(run),
            str(data),
            cfg,
            labels=table,
            test=None if test is None else str(test),
            network=network,
            device=device,
            workers=workers,
        )
    return ProbeTable(result)


@guarded
@own_random_state()
@float32_by_default()
def report(
    runs: str | Path | Run | Sequence[str | Path | Run],
    *,
    out: str | Path,
    format: Format | None = None,
    plots: str | Path | None = None,
    device: str = "auto",
    overwrite: bool = False,
) -> Path:
    """Write a report on a run: how good it is, what it gets wrong, and how it was made. Several runs are compared.

    Args:
        runs: one run, or several.
        out: file to write; it is returned.
        format: "html" for one self-contained page, "md" for Markdown beside a folder of plots; None goes by the name.
        plots: folder for the plots as PNG and SVG; None writes them only for Markdown, into a folder beside it.
        overwrite: replace the file if it exists.

    Raises:
        TutelageError: there is no run, one is not a run folder, or the report cannot be written.
    """
    file = Path(out)
    form: Format = format or ("md" if file.suffix.lower() == ".md" else "html")
    if form not in ("html", "md"):
        raise ConfigError(f"format must be html or md, got {format!r}")
    paths = [_path(runs)] if isinstance(runs, str | Path | Run) else [_path(run) for run in runs]
    folder = None if plots is None else Path(plots)
    write_report(paths, file, format=form, plots=folder, device=device, overwrite=overwrite)
    return file


def _path(run: str | Path | Run) -> Path:
    return run.path if isinstance(run, Run) else require_path(run, "a run")


def _count(count: Any) -> int | None:
    if count == "all":
        return None
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ConfigError(f"{named('label_counts')} must be numbers above 0, or 'all', got {count!r}")
    return count
