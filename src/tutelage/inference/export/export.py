"""Exporting the model of a run: the file is compared with the model before it is moved to its destination."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tutelage.core.errors import ConfigError, DataError, RunError, maybe
from tutelage.core.files import atomic_file, refuse_file
from tutelage.core.names import counted, shown
from tutelage.core.wording import named
from tutelage.core.writable import TEMPORARY
from tutelage.inference.export.attempt import TOLERANCE, Attempt, largest_difference, write_graph
from tutelage.inference.export.bundle import BUNDLE, require_bundle, write_bundle
from tutelage.inference.export.bundle import FILES as BUNDLE_FILES
from tutelage.inference.export.bundle_check import largest_on_scans
from tutelage.inference.export.config import portable_config, require_portable
from tutelage.inference.export.facts import facts_of
from tutelage.inference.export.folder import FILES as HUB_FILES
from tutelage.inference.export.folder import HUB, refuse_folder, replace_folder, write_folder
from tutelage.inference.export.formats.base import GraphFormat
from tutelage.inference.export.formats.onnx_file import OnnxFormat
from tutelage.inference.export.formats.openvino_file import OpenVinoFormat
from tutelage.inference.export.formats.torch_files import TorchExportFormat, TorchScriptFormat
from tutelage.inference.export.formats.weights_file import ENDING, NAME, open_weights, weights_bytes
from tutelage.inference.export.inputs import random_inputs, real_inputs
from tutelage.inference.export.portable import Portable, portable
from tutelage.inference.images.model import Model
from tutelage.inference.load import load_model
from tutelage.inference.scans.model import ScanModel
from tutelage.run.reads import read_of_run
from tutelage.run.run_record import RunRecord

GRAPHS: dict[str, GraphFormat] = {
    made.name: made for made in (OnnxFormat(), OpenVinoFormat(), TorchScriptFormat(), TorchExportFormat())
}
FOLDERS = {HUB: HUB_FILES, BUNDLE: BUNDLE_FILES}
FORMATS = (*GRAPHS, NAME, *FOLDERS)
_RANDOM = 8  # inputs, where there are no real ones


@dataclass(frozen=True)
class Exported:
    """A model that was exported.

    Attributes:
        path: the file or folder.
        format: its format.
        difference: the largest difference from what the run predicts, on the inputs that both were given: of
            probabilities, or of features, as a share of the largest one.
        inputs: how many they were.
        unchecked: why there were no real inputs, but noise; "" if they were real.
        fixed: why windows have the size of training only; "" if their size is free, and of images.
    """

    path: Path
    format: str
    difference: float
    inputs: int
    unchecked: str = ""
    fixed: str = ""

    @property
    def checked(self) -> bool:
        """Whether it was compared on real inputs."""
        return not self.unchecked


def export_model(
    run: Path,
    out: Path,
    *,
    format: str,
    check: str | Path | None = None,
    network: str = "auto",
    overwrite: bool = False,
    card: Callable[[RunRecord, str], str],
) -> Exported:
    """Write the model of a run to `out`, unless it answers otherwise there than in the run.

    Args:
        format: one of `FORMATS`.
        check: images or scans to compare on; None takes those that the run was trained on.
        network: "student", "teacher", or "auto" for the one that the method evaluates.
        card: the text of a model card, for the formats that are folders.

    Raises:
        MissingExtra: the format needs a package that is not installed.
        ConfigError: there is no such format, or the model cannot have it.
        DataError: `check` was given, and nothing in it can be read.
        RunError: the run or `out` is invalid, or the file answers otherwise; nothing is left at `out` then.
    """
    if format not in FORMATS:
        raise ConfigError(
            f"{named('format')} must be one of {', '.join(FORMATS)}, got {format!r}{maybe(format, FORMATS)}"
        )
    if format in GRAPHS:
        GRAPHS[format].require()
    _refuse(run, out, format, check, overwrite)
    record = RunRecord(run).best
    if format in (NAME, HUB):
        require_portable(record.cfg)
    model = load_model(run, network=network, device="cpu")
    if format == BUNDLE:
        require_bundle(model)
    made = portable(model)
    inputs, unchecked = _inputs(record, model, made, check)
    said = f"{counted(len(inputs), 'input')} of real data" if not unchecked else "noise alone"
    facts = partial(facts_of, record, model, checked=said)
    with _workspace(out) as place:
        if format in GRAPHS:
            found = write_graph(GRAPHS[format], made, place, facts, inputs)
        elif format == BUNDLE:
            scans = None if unchecked else check or record.cfg.data.path
            found = _bundle(require_bundle(model), made, place, facts, inputs, scans, card(record, format))
        else:
            config = portable_config(record, model.step)
            content = weights_bytes(model, config, facts(made))
            if format == HUB:
                write_folder(place, content, config, card(record, format))
            else:
                place.write_bytes(content)
            found = Attempt(largest_difference(open_weights(place), made, inputs))
        if not found.difference <= TOLERANCE:
            raise RunError(
                f"{shown(str(out))} is not written: as {format}, the model answers otherwise than in "
                f"{shown(str(run))}; the largest difference on {counted(len(inputs), 'input')} is "
                f"{found.difference:.1e}, above {TOLERANCE:.0e}"
            )
        _move(place, out, format)
    return Exported(out, format, found.difference, len(inputs), unchecked, found.fixed)


def _bundle(
    model: ScanModel,
    made: Portable,
    place: Path,
    facts: Callable[[Portable], Mapping[str, str]],
    inputs: NDArray[Any],
    scans: str | Path | None,
    card: str,
) -> Attempt:
    """A bundle, compared on windows by its graph, and on whole scans by its preparation, if there are any."""
    windows: list[Attempt] = []
    kind = TorchScriptFormat()
    write_bundle(place, model, lambda file: windows.append(write_graph(kind, made, file, facts, inputs)), card)
    whole = 0.0 if scans is None else largest_on_scans(place, model, scans)
    return Attempt(max(windows[0].difference, whole), windows[0].fixed)


def _refuse(run: Path, out: Path, format: str, check: str | Path | None, overwrite: bool) -> None:
    reads = (check, run, *read_of_run(run, data=True))
    if format in FOLDERS:
        refuse_folder(out, FOLDERS[format], overwrite=overwrite, reads=reads)
        return
    ending = GRAPHS[format].ending if format in GRAPHS else ENDING
    beside = GRAPHS[format].beside if format in GRAPHS else ()
    refuse_file(out, overwrite=overwrite, reads=reads, endings=(ending,))
    for other in beside:
        refuse_file(out.with_suffix(other), overwrite=overwrite, reads=reads)


def _inputs(
    record: RunRecord, model: Model | ScanModel, made: Portable, check: str | Path | None
) -> tuple[NDArray[Any], str]:
    """What is compared on, and why it is noise if it is."""
    if check is not None:
        return real_inputs(model, check), ""
    source = record.cfg.data.path
    try:
        if record.imported:
            raise DataError("the data of this model is not known")
        return real_inputs(model, source), ""
    except (DataError, RunError) as error:
        return random_inputs(made, _RANDOM), str(error).splitlines()[0]


@contextmanager
def _workspace(out: Path) -> Iterator[Path]:
    """A path of the same name in a new folder beside `out`, which is removed at the end."""
    folder = out.absolute().with_name(f".{out.name}{TEMPORARY}{os.getpid()}")
    try:
        folder.mkdir()
        yield folder / out.name
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(place: Path, out: Path, format: str) -> None:
    """Move what was written to its destination; of several files, the one that names the others comes last."""
    if format in FOLDERS:
        replace_folder(place, out)
        return
    for ending in GRAPHS[format].beside if format in GRAPHS else ():
        _copy(place.with_suffix(ending), out.with_suffix(ending))
    _copy(place, out)


def _copy(source: Path, to: Path) -> None:
    with source.open("rb") as content, atomic_file(to) as stream:
        shutil.copyfileobj(content, stream)
