"""A MONAI bundle: a segmenter of scans with its preparation and its sliding window, as MONAI's own transforms.

Only preparations that these transforms do in the same way are written, since the folder is compared with the run on
whole scans.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tutelage.core.errors import ConfigError, MissingExtra
from tutelage.core.files import make_folder, write_atomically, write_json
from tutelage.core.version import __version__
from tutelage.core.wording import option
from tutelage.inference.model import TrainedModel
from tutelage.inference.scans.model import ScanModel

BUNDLE = "monai-bundle"
GRAPH = "models/model.ts"
_METADATA, INFERENCE, _CARD = "configs/metadata.json", "configs/inference.json", "docs/README.md"
FILES = (_METADATA, INFERENCE, GRAPH, _CARD)
RESULT = "pred"


def require_bundle(model: TrainedModel) -> ScanModel:
    """The model, if a bundle does what it does.

    Raises:
        MissingExtra: MONAI is not installed.
        ConfigError: it classifies images, or prepares scans in a way that MONAI's transforms do not.
    """
    if not isinstance(model, ScanModel):
        raise ConfigError(f"a MONAI bundle segments scans; for models of images choose {option('format', 'onnx')}")
    for package in ("monai", "nibabel"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtra(f"the format {BUNDLE}", package, "medical")
    scan = model.scan
    reasons = {
        "scan.spacing": bool(scan.spacing),
        "scan.crop": scan.crop != "none",
        "scan.intensity percentile": scan.intensity == "percentile",
        "slices with two axes": len(model.task.patch_size) != 3,
        f"{model.channels} channels": model.channels != 1,
    }
    if found := [name for name, given in reasons.items() if given]:
        raise ConfigError(
            f"the run has {found[0]}, which MONAI's transforms do otherwise than the run: choose "
            f"{option('format', 'onnx')} or {option('format', 'hf')}"
        )
    return model


def write_bundle(folder: Path, model: ScanModel, graph: Callable[[Path], object], card: str) -> None:
    """Write the files of a bundle into a new folder; `graph` writes the TorchScript file."""
    for name in FILES:
        make_folder((folder / name).parent)
    graph(folder / GRAPH)
    write_json(folder / _METADATA, _metadata(model))
    write_json(folder / INFERENCE, _inference(model))
    write_atomically(folder / _CARD, card.encode())


def _metadata(model: ScanModel) -> dict[str, Any]:
    """What `monai.bundle` reads first."""
    import monai

    shape = list(model.task.patch_size)
    window = {"dtype": "float32", "spatial_shape": shape, "is_patch_data": True}
    names = {str(number): name for number, name in enumerate(model.classes)}
    return {
        "version": "0.1.0",
        "changelog": {"0.1.0": f"exported by tutelage {__version__}"},
        "monai_version": monai.__version__,
        "pytorch_version": str(torch.__version__).partition("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {"nibabel": importlib.import_module("nibabel").__version__},
        "task": "Segmentation of scans",
        "description": f"Segments {', '.join(model.classes[1:])}; see docs/README.md.",
        "authors": "",
        "copyright": "",
        "network_data_format": {
            "inputs": {
                "image": {
                    **window,
                    "type": "image",
                    "format": "magnitude",
                    "num_channels": model.channels,
                    "value_range": [],
                    "channel_def": {"0": "image"},
                }
            },
            "outputs": {
                RESULT: {
                    **window,
                    "type": "probabilities",
                    "format": "segmentation",
                    "num_channels": len(model.classes),
                    "value_range": [0, 1],
                    "channel_def": names,
                }
            },
        },
    }


def _inference(model: ScanModel) -> dict[str, Any]:
    """From files to masks: `python -m monai.bundle run --config_file configs/inference.json`."""
    scan = "{**scan, 'pred': @inferer(scan['image'][None].to(@device), @network)[0]}"
    return {
        "imports": ["$import glob", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "scans",
        "output_dir": "masks",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "datalist": "$[{'image': file} for file in sorted(glob.glob(@dataset_dir + '/*.nii*'))]",
        "network": f"$torch.jit.load(@bundle_root + '/{GRAPH}', map_location=@device).eval()",
        "preprocessing": _composed(_preparation(model)),
        "dataset": {"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": list(model.task.patch_size),
            "sw_batch_size": model.task.cfg.window_batch,
            "overlap": _overlap(model.task.patch_size, model.task.strides),
            "mode": model.task.cfg.window_weight,
        },
        "postprocessing": _composed(_masks(model)),
        "run": [f"$[@postprocessing({scan}) for scan in @dataset]"],
    }


def _composed(transforms: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"_target_": "Compose", "transforms": list(transforms)}


def _preparation(model: ScanModel) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [
        {"_target_": "LoadImaged", "keys": "image", "reader": "NibabelReader"},
        {"_target_": "EnsureChannelFirstd", "keys": "image"},
    ]
    if model.scan.canonical:
        made.append({"_target_": "Orientationd", "keys": "image", "axcodes": "RAS", "labels": None})
    if model.scan.intensity == "ct":
        low, high = model.scan.window
        levels = {"a_min": low, "a_max": high, "b_min": -1.0, "b_max": 1.0, "clip": True}
        made.append({"_target_": "ScaleIntensityRanged", "keys": "image", **levels})
    elif model.scan.intensity != "none":
        nonzero = model.scan.intensity == "zscore-nonzero"
        made.append({"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": nonzero, "channel_wise": True})
    return [*made, {"_target_": "EnsureTyped", "keys": "image", "dtype": "$torch.float32"}]


def _masks(model: ScanModel) -> list[dict[str, Any]]:
    back = {"transform": "@preprocessing", "orig_keys": "image", "nearest_interp": False}
    made: list[dict[str, Any]] = [
        {"_target_": "Invertd", "keys": RESULT, **back},
        {"_target_": "AsDiscreted", "keys": RESULT, "argmax": True},
    ]
    if model.task.cfg.largest_component:
        largest = {"is_onehot": False, "independent": True, "connectivity": 3}
        made.append({"_target_": "KeepLargestConnectedComponentd", "keys": RESULT, **largest})
    if model.values != tuple(range(len(model.values))):
        of = {"orig_labels": list(range(len(model.values))), "target_labels": list(model.values)}
        made.append({"_target_": "MapLabelValued", "keys": RESULT, **of})
    to = {"output_dir": "@output_dir", "output_postfix": "", "separate_folder": False, "output_dtype": "$torch.uint8"}
    return [*made, {"_target_": "SaveImaged", "keys": RESULT, **to}]


def _overlap(size: Sequence[int], strides: Sequence[int]) -> list[float]:
    """The shares from which MONAI, which rounds size * (1 - share) down, gets these strides."""
    return [max(0.0, 1.0 - (stride + 0.5) / side) for side, stride in zip(size, strides, strict=True)]
