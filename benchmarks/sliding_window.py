"""Time to predict a whole scan: the task's prediction vs. the plain loop of the original code.

The plain loop predicts one window after the other and sums the results in NumPy, as in UA-MT's code. Both return the
same probabilities, which is checked. The network's share of the time is also measured: it limits what a faster way of
cutting and summing windows can gain.

    python benchmarks/sliding_window.py left_atrium/ID/mri_norm2.h5 --width 4 --crop 144,128,88 --repeats 3
"""

from __future__ import annotations

import argparse
import json
import platform
import runpy
import statistics
import time
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import nn

from tutelage.config.segmentation import SegmentationConfig
from tutelage.networks.vnet import VNet
from tutelage.tasks.segmentation import Segmentation

plain_windows = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "reference" / "segmentation.py"))[
    "predict_windows"
]


class Clocked(nn.Module):
    """A network that adds up the seconds of its passes, and counts the windows."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.seconds, self.windows = network, 0.0, 0

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        begin = clock(windows.device)
        logits = self.network(windows)
        self.seconds += clock(windows.device) - begin
        self.windows += len(windows)
        return logits


def clock(device: torch.device) -> float:
    """Seconds: wall time on a GPU; CPU time of this process on a CPU, so that other processes do not count."""
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path, help=".h5 with a dataset 'image'")
    parser.add_argument(
        "--crop", type=numbers, default=None, help="number of voxels to use along each axis; default: all"
    )
    parser.add_argument("--patch", type=numbers, default=(112, 112, 80))
    parser.add_argument("--strides", type=numbers, default=(18, 18, 4))
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batches", type=numbers, default=(1, 4))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()

    device = torch.device(options.device)
    with h5py.File(options.scan) as file:
        image = file["image"][()]
    if options.crop:
        image = np.ascontiguousarray(image[tuple(slice(0, size) for size in options.crop)])
    torch.manual_seed(0)
    network = VNet(num_classes=2, width=options.width).eval().to(device)
    clocked = Clocked(network)

    def plain_probabilities(box: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return clocked(torch.from_numpy(box).to(device)).softmax(1).cpu().numpy()

    def plain() -> np.ndarray:
        return plain_windows(plain_probabilities, image[None], options.patch, options.strides)

    def ours(batch: int) -> np.ndarray:
        cfg = SegmentationConfig(strides=options.strides, window_batch=batch)
        task = Segmentation(("background", "atrium"), patch_size=options.patch, cfg=cfg)
        return task.predict(clocked, torch.from_numpy(image)[None, None].to(device))[0].cpu().numpy()

    ways = {"plain loop": plain, **{f"tutelage, batch {b}": (lambda b=b: ours(b)) for b in options.batches}}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    inside: dict[str, list[float]] = {way: [] for way in ways}
    results: dict[str, np.ndarray] = {}
    whole, image = image, image[tuple(slice(0, size) for size in options.patch)]
    for predict in ways.values():
        predict()  # warm-up on a single window: imports and first passes
    image = whole
    for _ in range(options.repeats):
        for way, predict in ways.items():
            clocked.seconds, clocked.windows = 0.0, 0
            begin = clock(device)
            results[way] = predict()
            seconds[way].append(clock(device) - begin)
            inside[way].append(clocked.seconds)
    base = statistics.median(seconds["plain loop"])
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, {device}, torch {torch.__version__}")
    print(f"scan {image.shape}, patch {options.patch}, strides {options.strides}, {clocked.windows} windows")
    for way in ways:
        median = statistics.median(seconds[way])
        row = {
            "way": way,
            "seconds": [round(value, 2) for value in seconds[way]],
            "times faster than the plain loop": round(base / median, 3),
            "share of the network": round(statistics.median(inside[way]) / median, 3),
            "largest difference": float(np.abs(results[way] - results["plain loop"]).max()),
        }
        print(json.dumps(row))


if __name__ == "__main__":
    main()
