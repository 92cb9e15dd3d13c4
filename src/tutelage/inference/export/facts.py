"""What a file says about the model in it, as plain text by name."""

from __future__ import annotations

import json

from tutelage.core.version import __version__
from tutelage.inference.export.portable import Portable
from tutelage.inference.images.model import Model
from tutelage.inference.scans.model import ScanModel
from tutelage.networks.licenses import backbone_licenses
from tutelage.run.run_record import RunRecord


def facts_of(record: RunRecord, model: Model | ScanModel, made: Portable, *, checked: str) -> dict[str, str]:
    """The metadata of a file; lists are JSON.

    Args:
        checked: on what the file was compared with the model.
    """
    licenses = backbone_licenses(record.cfg.network)
    pixels = _of_images(model) if isinstance(model, Model) else _of_scans(model, made)
    sides = ("batch", *made.shape)
    shape = [made.free[axis].name if axis in made.free else side for axis, side in enumerate(sides)]
    return {
        "tutelage_version": __version__,
        "classes": json.dumps(list(model.classes) if made.result == "probabilities" else []),
        "input": made.source,
        "input_shape": json.dumps(shape),
        "output": made.result,
        **pixels,
        "network": record.cfg.network.name,
        "backbone": json.dumps(list(licenses)),
        "backbone_license": json.dumps(list(licenses.values())),
        "method": record.method,
        "checked": checked,
    }


def _of_images(model: Model) -> dict[str, str]:
    framing = model.framing
    return {
        "input_type": "uint8",
        "colors": {1: "gray", 3: "RGB"}.get(model.channels, f"{model.channels} channels"),
        "image_size": str(model.image_size),
        "resize": framing.mode,
        "crop_share": str(framing.crop_share),
        "interpolation": framing.interpolation,
        **({} if framing.levels is None else {"intensity_range": json.dumps(list(framing.levels))}),
    }


def _of_scans(model: ScanModel, made: Portable) -> dict[str, str]:
    multiples = [free.multiple for axis, free in made.free.items() if axis]
    scan = model.scan
    return {
        "input_type": "float32",
        "patch_size": json.dumps(list(model.task.patch_size)),
        **({"multiple_of": json.dumps(multiples)} if multiples else {}),
        "strides": json.dumps(list(model.task.strides)),
        "label_values": json.dumps(list(model.values)),
        "orientation": "RAS+" if scan.canonical else "as in the file",
        "spacing_mm": json.dumps(list(scan.spacing)),
        "intensity": scan.intensity,
        **({"window": json.dumps(list(scan.window))} if scan.intensity == "ct" else {}),
        **({"percentiles": json.dumps(list(scan.percentiles))} if scan.intensity == "percentile" else {}),
    }
