"""Exported models beside their runs: the largest difference on real inputs, sizes, and CPU seconds of 100 inputs.

Every format is written by `tutelage.export`, read by its own runtime, and given the same inputs as the model of the
run. The speeds are those of the network path alone, on one thread: inputs are decoded, cropped and resized before. The
runtimes alternate in one process, on batches of up to 100 inputs, with an empty cache; medians are reported.

With `--pillow PHOTOS`, only the first run is exported, as ONNX, and predicts photos that Pillow crops and resizes.

    python benchmarks/export.py NAME=RUN ... [--inputs 100] [--rounds 5] [--out FILE.md] [--pillow PHOTOS]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

import tutelage
from tutelage.core.cache_folder import VARIABLE
from tutelage.inference.export.export import GRAPHS
from tutelage.inference.export.inputs import real_inputs
from tutelage.inference.export.portable import portable
from tutelage.inference.load import load_model
from tutelage.run.run_record import RunRecord

ENDINGS = {**{name: made.ending for name, made in GRAPHS.items()}, "safetensors": ".safetensors", "hf": ""}
TIMED = ("onnx", "openvino")
_LARGEST = {"images": 100, "window": 4}  # inputs of a batch that is timed


def differences(run: Path, folder: Path) -> dict[str, tuple[float, float, float]]:
    """For each format: the largest difference, megabytes, and the seconds of exporting and checking."""
    found = {}
    for form, ending in ENDINGS.items():
        begin = time.perf_counter()
        done = tutelage.export(run, out=folder / f"{form}{ending}", format=form)  # type: ignore[arg-type]
        assert done.checked, done.unchecked
        found[form] = (done.difference, size_of(done.path), time.perf_counter() - begin)
        print(f"{run.name} {form}: {found[form]}", flush=True)
    return found


def size_of(path: Path) -> float:
    """Megabytes of what was exported."""
    files = [*path.iterdir()] if path.is_dir() else [path, *path.parent.glob(f"{path.stem}.bin")]
    return sum(file.stat().st_size for file in set(files)) / 1e6


def speeds(run: Path, folder: Path, inputs: int, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of all inputs in each round, by runtime."""
    model = load_model(run, device="cpu")
    made = portable(model)
    batch = real_inputs(model, RunRecord(run).best.cfg.data.path, inputs)
    timed: dict[str, Callable[[NDArray[Any]], Any]] = {"predict": made.answer}
    timed |= {form: GRAPHS[form].open(folder / f"{form}{ENDINGS[form]}", made) for form in TIMED}
    largest = _LARGEST[made.source]
    parts = [batch[start : start + largest] for start in range(0, len(batch), largest)]
    for work in timed.values():  # engines are compiled for each size of a batch
        work(parts[0])
        work(parts[-1])
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(rounds):
        for name, work in timed.items():
            begin = time.process_time()
            for part in parts:
                work(part)
            seconds[name].append((time.process_time() - begin) * 100 / len(batch))
    return seconds


def by_pillow(run: Path, photos: Path, folder: Path) -> str:
    """How far the probabilities of photos that Pillow prepares are from those of `predict`."""
    model = tutelage.load(run)
    assert isinstance(model, tutelage.Model)
    tutelage.export(run, out=folder / "a.onnx", format="onnx")
    graph = GRAPHS["onnx"].open(folder / "a.onnx", portable(model))
    files = sorted(path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    size = (model.image_size, model.image_size)
    opened = (ImageOps.exif_transpose(Image.open(file)).convert("RGB") for file in files)
    pixels = np.stack([np.asarray(ImageOps.fit(photo, size, Image.Resampling.BICUBIC)) for photo in opened])
    found, expected = graph(pixels), model.predict([*files]).probabilities
    apart = np.abs(found - expected).max(1)
    others = int((found.argmax(1) != expected.argmax(1)).sum())
    return f"{len(files)} photos: largest {apart.max():.2g}, median {np.median(apart):.2g}, {others} of another class"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN")
    parser.add_argument("--inputs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--pillow", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    lines = ["| model | format | largest difference | MB | seconds to export and check |", "|---|---|---|---|---|"]
    times = ["| model | predict | onnxruntime | OpenVINO |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        os.environ[VARIABLE] = f"{folder}/cache"  # where no features are known
        if given.pillow is not None:
            print(by_pillow(Path(given.runs[0].rpartition("=")[2]), given.pillow, Path(folder)))
            return
        for number, word in enumerate(given.runs):
            name, _, run = word.rpartition("=")
            place = Path(folder) / str(number)
            place.mkdir()
            for form, (difference, size, seconds) in differences(Path(run), place).items():
                lines.append(f"| {name} | {form} | {difference:.1e} | {size:.1f} | {seconds:.0f} |")
            found = speeds(Path(run), place, given.inputs, given.rounds)
            cells = [f"{statistics.median(v):.3g} ({min(v):.3g} to {max(v):.3g})" for v in found.values()]
            times.append(f"| {name} | {' | '.join(cells)} |")
            print(times[-1], flush=True)
    about = f"torch {torch.__version__}, numpy {np.__version__}, {platform.machine()}, one thread"
    text = "\n".join([about, "", *lines, "", *times, ""])
    print(text)
    if given.out is not None:
        given.out.write_text(text)


if __name__ == "__main__":
    main()
