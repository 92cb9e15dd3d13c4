"""The function of the Python API that takes a model out of its run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tutelage.commands.api_guard import guarded
from tutelage.commands.run import Run
from tutelage.core.precision import float32_by_default
from tutelage.core.seeding import own_random_state
from tutelage.inference.export.export import Exported, export_model
from tutelage.results.card.card import card_of

FormatName = Literal["onnx", "openvino", "torchscript", "torch-export", "safetensors", "hf", "monai-bundle"]


@guarded
@own_random_state()
@float32_by_default()
def export(
    run: str | Path | Run,
    *,
    out: str | Path,
    format: FormatName,
    check: str | Path | None = None,
    network: Literal["auto", "student", "teacher"] = "auto",
    overwrite: bool = False,
) -> Exported:
    """Write the trained model of a run as a file that other programs read.

    The preparation of pixels is part of each graph: it takes images (N, S, S, C) uint8 of the size of the run, cropped
    and resized as the metadata says, and returns probabilities (N, K), or features (N, F) of an encoder. A model of
    scans takes standardized windows (N, C, *S) float32 and returns probabilities (N, K, *S). N is free, and so is S, in
    multiples of what the network needs.

    The file is compared with what `predict` computes before it is moved to `out`.

    Args:
        out: a file that ends in .onnx, .xml (with the weights in a .bin beside it), .pt, .pt2 or .safetensors, or, for
            "hf" and "monai-bundle", a folder.
        format: "onnx", "openvino", "torchscript", "torch-export", one that `load` reads, "safetensors" or "hf", or, for
            models of scans, "monai-bundle".
        check: images or scans to compare on; None takes those that the run was trained on. Where they are gone, noise
            is compared, and the result is not `checked`.
        network: "student", "teacher", or "auto" for the one that the method evaluates.
        overwrite: replace what is at `out`.

    Raises:
        MissingExtra: the format needs a package that is not installed.
        RunError: the run or `out` is invalid, or a probability differs by more than 1e-4; nothing is written then.
        TutelageError: `check` has nothing that can be read, or the network cannot be exported.
    """
    path = run.path if isinstance(run, Run) else Path(run)
    return export_model(path, Path(out), format=format, check=check, network=network, overwrite=overwrite, card=card_of)
