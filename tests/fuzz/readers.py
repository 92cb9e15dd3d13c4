"""Every reader of files that users bring: a sound file, and what reads it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import nibabel
import nrrd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import SimpleITK
import torch
from PIL import Image
from safetensors.torch import save as save_tensors
from tifffile import imwrite

from support.itk import write_series
from tutelage.config import resolve
from tutelage.config.data import DataConfig
from tutelage.config.layers import read_toml
from tutelage.config.scan import ScanConfig
from tutelage.data.images.arrays import list_arrays
from tutelage.data.images.check import check_images
from tutelage.data.images.reading import ImageFault, decode_image, read_header
from tutelage.data.images.records import list_records
from tutelage.data.images.shards import list_shards
from tutelage.data.scans.check import check_scans
from tutelage.data.scans.formats.read import has_mask, read_mask, read_volume
from tutelage.networks.weights_file import read_weights
from tutelage.run.exported import exported_bytes, exported_tensors
from tutelage.run.held_out import FOLDS, HeldOut
from tutelage.run.labeled_features import LabeledReference
from tutelage.run.pile import TrainingPile
from tutelage.run.run_files import read_config, read_rows, read_split
from tutelage.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

VOLUME = np.random.default_rng(0).integers(0, 3, (6, 7, 5)).astype(np.int16)
SPECTRUM = np.random.default_rng(0).integers(0, 999, (9, 8, 5), np.uint16)
PIXELS = np.random.default_rng(0).integers(0, 255, (9, 8, 3), np.uint8)


@dataclass(frozen=True)
class Reader:
    """A kind of file.

    Attributes:
        name: of the file; its folder may hold others.
        sound: writes the file into a folder, with what belongs to it.
        read: reads it.
    """

    name: str
    sound: Callable[[Path], object]
    read: Callable[[Path], object]


def _image(form: str) -> Reader:
    def read(file: Path) -> None:
        content = file.read_bytes()
        read_header(content)
        with suppress(ImageFault):
            decode_image(content, at_least=4)

    return Reader(f"a.{form}", lambda file: Image.fromarray(PIXELS).save(file), read)


def _deep(file: Path) -> None:
    Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 200).save(file)


def _tar(file: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("cat", "é" * 120):
            for suffix, content in ((".png", _png()), (".cls", b"cat")):
                info = tarfile.TarInfo(name + suffix)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    content = stream.getvalue()
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)


def _png() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "PNG")
    return stream.getvalue()


def _read_tar(file: Path) -> None:
    for item in list_shards([file], "a").items:
        for content in item.store.read([item.key]):
            assert content is not None


def _npz(file: Path) -> None:
    np.savez_compressed(file, x=np.stack([PIXELS] * 6), y=np.arange(6) % 2, classes=np.array(["cat", "dog"]))


def _read_npz(file: Path) -> None:
    for listing in list_arrays(file, "a").values():
        if not listing.faults:
            keys = [item.key for item in listing.items[:3]]
            for content in (*listing.items[0].store.read(keys), *listing.items[0].store.read_headers(keys)):
                assert content is not None


def _read_scan(file: Path) -> None:
    for read in (read_volume, read_mask, has_mask):
        try:
            read(file)  # type: ignore[operator]
        except Exception as error:
            last = error
        else:
            last = None
    if last is not None:
        raise last


def _nifti(file: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(VOLUME, np.diag((1.0, 2.0, 3.0, 1.0))), file)


def _metaimage(file: Path) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(VOLUME), str(file.with_suffix(".mhd")), file.suffix == ".zraw")


def _analyze(file: Path) -> None:
    nibabel.save(nibabel.AnalyzeImage(VOLUME, np.diag((-1.0, 2.0, 3.0, 1.0))), file.with_suffix(".hdr"))


def _hdf5(file: Path) -> None:
    with h5py.File(file, "w") as stream:
        stream["image"] = VOLUME
        stream.create_dataset("label", data=VOLUME, compression="gzip", chunks=(3, 7, 5))


def _table(file: Path) -> None:
    for name in "abcd":
        (file.parent / f"{name}.png").write_bytes(_png())
    file.write_text('path,label\na.png,cat\nb.png,dog\n"c.png",cat\nd.png,dög\n', encoding="utf-8")


def _read_source(file: Path) -> object:
    return check_images(DataConfig(path=str(file.parent), labels=str(file)))


def _dataset(file: Path) -> None:
    for folder, name in (("imagesTr", "a"), ("imagesTr", "b"), ("labelsTr", "a"), ("labelsTr", "b")):
        (file.parent / folder).mkdir(exist_ok=True)
        _nifti(file.parent / folder / f"{name}.nii.gz")
    pairs = [{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in "ab"]
    labels = {"0": "background", "1": "left", "2": "right"}
    file.write_text(json.dumps({"labels": labels, "modality": {"0": "CT"}, "training": pairs, "test": []}))


def _pairs(file: Path) -> None:
    _dataset(file.with_name("dataset.json"))
    file.with_name("dataset.json").unlink()
    file.write_text("image,label\nimagesTr/a.nii.gz,labelsTr/a.nii.gz\nimagesTr/b.nii.gz,\n")


def _read_scans(file: Path) -> object:
    return check_scans(DataConfig(path=str(file)), ScanConfig())


def _studio(file: Path) -> None:
    _table(file.with_name("labels.csv"))
    file.with_name("labels.csv").unlink()
    tasks = [
        {
            "data": {"image": f"{name}.png"},
            "annotations": [{"result": [{"type": "choices", "value": {"choices": [c]}}]}],
        }
        for name, c in zip("abcd", ("cat", "dog", "cat", "dog"), strict=True)
    ]
    file.write_text(json.dumps(tasks))


def _fiftyone(file: Path) -> None:
    (file.parent / "data").mkdir(exist_ok=True)
    for name in "abcd":
        (file.parent / "data" / f"{name}.png").write_bytes(_png())
    file.write_text(json.dumps({"classes": ["cat", "dog"], "labels": {"a": 0, "b": 1, "c": 0, "d": None}}))


def _metadata(file: Path) -> None:
    _table(file.with_name("labels.csv"))
    file.with_name("labels.csv").unlink()
    lines = [{"file_name": f"{name}.png", "label": number % 2} for number, name in enumerate("abcd")]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _records(file: Path) -> None:
    images = [{"bytes": _png(), "path": f"{name}.png"} for name in "abcd"]
    table = pa.table({"image": images, "label": ["cat", "dog", "cat", None]})
    if file.suffix == ".parquet":
        pq.write_table(table, file, row_group_size=2)
        return
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def _read_records(file: Path) -> None:
    items = list_records(file.parent, [file], "a", "records").items
    for content in items[0].store.read([item.key for item in items]) if items else ():
        assert content is not None


def _cvat(file: Path) -> None:
    _table(file.with_name("labels.csv"))
    file.with_name("labels.csv").unlink()
    rows = "".join(
        f'<image id="{n}" name="{name}.png" width="8" height="9"><tag label="{c}" source="manual"/></image>'
        for n, (name, c) in enumerate(zip("abcd", ("cat", "dog", "cat", "dog"), strict=True))
    )
    file.write_text(f'<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>{rows}</annotations>')


def _state() -> dict[str, torch.Tensor]:
    return {"conv1.weight": torch.zeros(4, 3, 3, 3), "bn1.weight": torch.ones(4), "n": torch.tensor(3)}


def _config(file: Path) -> None:
    settings = resolve({"data.path": "digits", "train.steps": 4, "method.name": "fixmatch"}).to_dict()
    config: dict[str, Any] = {
        "format": 1,
        "settings": settings,
        "plan": {"steps": 4},
        "data": {
            "classes": ["cat", "dog"],
            "channels": 3,
            "image_size": 8,
            "fingerprint": "x",
            "notes": [],
            "mean": [1.0, 1.0, 1.0],
            "std": [1.0, 1.0, 1.0],
            "parts": {},
        },
        "environment": {"tutelage": "0.1.0"},
    }
    file.write_text(json.dumps(config))  # without a hash, so that all checks behind it are reached


def _exported(file: Path) -> None:
    _config(file.with_name("config.json"))
    config = json.loads(file.with_name("config.json").read_text())
    file.with_name("config.json").unlink()
    config["settings"]["method"] = {"name": "imported"}
    tensors = {f"network.{name}": value for name, value in _state().items()}
    file.write_bytes(exported_bytes(tensors, {**config, "exported": True}, {"classes": '["cat", "dog"]'}))


def _read_exported(file: Path) -> None:
    read_config(file)
    exported_tensors(file, "network.")


def _manifest(file: Path) -> None:
    for step in (1, 2):
        save_checkpoint(file.parent, Checkpoint(step, {"weight": torch.ones(4)}, {"window_count": 1}))
    values = json.loads(file.read_text())
    del values["sha256"]
    file.write_text(json.dumps(values))


def _held_out(file: Path) -> None:
    draw = np.random.default_rng(0)
    log_probs, label = np.log(draw.dirichlet(np.ones(3), 12)), draw.integers(0, 3, 12)
    HeldOut.of(log_probs, label, FOLDS).in_folds(np.arange(12) % 2, [torch.nn.Linear(4, 3)] * 2).save(file.parent)


def _read_held_out(file: Path) -> None:
    found = HeldOut.read(file.parent, 3)
    assert found is not None
    if (sets := found.sets(0.8)) is not None:
        sets.of(np.full((2, 3), 1 / 3), np.zeros((2, 4 if found.heads is None else found.heads.shape[2] - 1)))


def _pile(file: Path) -> None:
    pile = TrainingPile.of(np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32))
    assert pile is not None
    pile.save(file.parent)


def _read_pile(file: Path) -> None:
    found = TrainingPile.read(file.parent)
    assert found is not None
    found.typicality(np.zeros((2, found.directions.shape[1]), np.float32))


def _labeled(file: Path) -> None:
    labeled = LabeledReference.of(["a.png", "b.png"], np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32))
    assert labeled is not None
    labeled.save(file.parent)


def _read_labeled(file: Path) -> None:
    found = LabeledReference.read(file.parent)
    assert found is not None
    found.nearest(np.zeros((2, found.directions.shape[1]), np.float32), 3)


READERS = (
    *(_image(form) for form in ("png", "jpg", "gif", "bmp", "webp", "tif", "ppm")),
    Reader("deep.png", _deep, _image("png").read),
    Reader("channels.tif", lambda file: imwrite(file, SPECTRUM, planarconfig="contig"), _image("tif").read),
    Reader("stack.tif", lambda file: imwrite(file, SPECTRUM.transpose(2, 0, 1), ome=True), _image("tif").read),
    Reader("tiles.tif", lambda file: imwrite(file, SPECTRUM, tile=(16, 16), compression="zlib"), _image("tif").read),
    Reader("labels.csv", _table, _read_source),
    Reader("labels.json", _studio, _read_source),
    Reader("labels.xml", _cvat, _read_source),
    Reader("fiftyone.json", _fiftyone, _read_source),
    Reader("metadata.jsonl", _metadata, lambda file: check_images(DataConfig(path=str(file.parent)))),
    Reader("a.parquet", _records, _read_records),
    Reader("a.arrow", _records, _read_records),
    Reader("a.tar", _tar, _read_tar),
    Reader("a.tar.gz", _tar, _read_tar),
    Reader("a.npz", _npz, _read_npz),
    Reader("a.nii", _nifti, _read_scan),
    Reader("a.nii.gz", _nifti, _read_scan),
    Reader("a.nrrd", lambda file: nrrd.write(str(file), VOLUME), _read_scan),
    Reader(
        "a.mha", lambda file: SimpleITK.WriteImage(SimpleITK.GetImageFromArray(VOLUME), str(file), True), _read_scan
    ),
    Reader("a.mhd", _metaimage, _read_scan),
    Reader("a.zraw", _metaimage, lambda file: _read_scan(file.with_suffix(".mhd"))),
    Reader("a.hdr", _analyze, _read_scan),
    Reader("a.img", _analyze, lambda file: _read_scan(file.with_suffix(".hdr"))),
    Reader("000.dcm", lambda file: write_series(file.parent, VOLUME), lambda file: _read_scan(file.parent)),
    Reader("a.h5", _hdf5, _read_scan),
    Reader("scan.png", lambda file: Image.fromarray(PIXELS[..., 0]).save(file), _read_scan),
    Reader("dataset.json", _dataset, _read_scans),
    Reader("pairs.csv", _pairs, _read_scans),
    Reader("a.pt", lambda file: torch.save(_state(), file), read_weights),
    Reader("old.pth", lambda file: torch.save(_state(), file, _use_new_zipfile_serialization=False), read_weights),
    Reader("a.safetensors", lambda file: file.write_bytes(save_tensors(_state())), read_weights),
    Reader("exported.safetensors", _exported, _read_exported),
    Reader("c.toml", lambda file: file.write_text("[train]\nsteps = 4\n[optimizer]\nlr = 0.1\n"), read_toml),
    Reader("config.json", _config, lambda file: read_config(file.parent)),
    Reader(
        "split.json",
        lambda file: file.write_text('{"labeled": ["1"], "held_out": [], "unlabeled_images": 7}'),
        lambda file: read_split(file.parent),
    ),
    Reader(
        "metrics.jsonl", lambda file: file.write_text('{"step": 1, "kind": "training", "loss": 0.5}\n' * 9), read_rows
    ),
    Reader("manifest.json", _manifest, lambda file: load_checkpoint(file.parent)),
    Reader("held_out.npz", _held_out, _read_held_out),
    Reader("pile.npz", _pile, _read_pile),
    Reader("labeled.npz", _labeled, _read_labeled),
)
