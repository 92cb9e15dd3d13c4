"""Reading images: CPU seconds an image, beside other ways to do the same, and what a later command pays.

    python benchmarks/data_path.py [--count 2000]

Draws photos of 256 pixels and of 32 pixels (blobs of color with noise, JPEG of quality 90), and times, on one core:
headers and decoding as a training does both, Pillow alone, torchvision's decoder and v2 transforms, simplejpeg with
Pillow's resizing, and a DataLoader of an ImageFolder with two workers (wall time on the cores of the machine). The last
column is what the next command on the same images pays, which maps them from the cache. The table is written to
benchmarks/results/data_path.md.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import simplejpeg
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from tutelage.data.images import image_cache
from tutelage.data.images.image_cache import ImageCache
from tutelage.data.images.items import Files, Item
from tutelage.data.images.reader import Decoding, ImageReader

RESULT = Path(__file__).parent / "results" / "data_path.md"
CASES = ((256, 224), (256, 96), (32, 32))
REPEATS = 3


def photo(side: int, seed: int) -> bytes:
    """A JPEG of blobs of color and noise."""
    draw = np.random.default_rng(seed)
    blobs = Image.fromarray(draw.integers(0, 256, (6, 6, 3), np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    noisy = np.clip(np.asarray(blobs).astype(int) + draw.integers(-12, 13, (side, side, 3)), 0, 255)
    stream = io.BytesIO()
    Image.fromarray(noisy.astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def per_image(read: Callable[[], None], count: int) -> float:
    """The least CPU time of an image in ms, of three passes over all."""
    spent = []
    for _ in range(REPEATS):
        begin = time.process_time()
        read()
        spent.append(time.process_time() - begin)
    return 1e3 * min(spent) / count


def with_pillow(files: list[Path], size: int) -> None:
    """As it is done most often, and as it was done here: the header first, then the pixels."""
    for file in files:
        with Image.open(file) as image:
            image.size  # noqa: B018
        with Image.open(file) as image:
            image.draft(image.mode, (2 * size, 2 * size))
            np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC))


def with_torchvision(files: list[Path], size: int) -> None:
    from torchvision.io import ImageReadMode, decode_jpeg, read_file

    resize = v2.Resize((size, size), v2.InterpolationMode.BICUBIC, antialias=True)
    for file in files:
        resize(decode_jpeg(read_file(str(file)), ImageReadMode.RGB))


def with_simplejpeg(files: list[Path], size: int) -> None:
    for file in files:
        pixels = simplejpeg.decode_jpeg(file.read_bytes(), "RGB", min_height=size, min_width=size)
        np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC))


def with_tutelage(items: list[Item], size: int) -> None:
    reader = ImageReader()
    reader.headers(items)
    reader.read(items, Decoding(size, 3))


def loader_seconds(folder: Path, size: int) -> float:
    """Wall time of a pass of a DataLoader with two workers, without their start."""
    transform = v2.Compose([v2.PILToTensor(), v2.Resize((size, size), v2.InterpolationMode.BICUBIC, antialias=True)])
    batches = iter(DataLoader(ImageFolder(folder, transform), batch_size=64, num_workers=2))
    next(batches)
    begin = time.perf_counter()
    for _ in batches:
        pass
    return time.perf_counter() - begin


def measured(folder: Path, side: int, size: int, count: int) -> str:
    files = [folder / "class" / f"{number}.jpg" for number in range(count)]
    items = [Item(file.name, None, Files(file.parent), file.name) for file in files]
    ours = per_image(lambda: with_tutelage(items, size), count)
    others = [
        per_image(lambda read=read: read(files, size), count)  # type: ignore[misc]
        for read in (with_pillow, with_torchvision, with_simplejpeg)
    ]
    os.sched_setaffinity(0, CORES)
    wall = 1e3 * statistics.median(loader_seconds(folder, size) for _ in range(REPEATS)) / count
    os.sched_setaffinity(0, {max(CORES)})
    with tempfile.TemporaryDirectory() as kept:
        cache = ImageCache(Path(kept))
        ImageReader(cache=cache).read(items, Decoding(size, 3))
        again = per_image(lambda: check(ImageReader(cache=cache), items, size), count)
    cells = [f"{number:.3f}" for number in (ours, *others, wall, again)]
    return f"| {side} -> {size} | {' | '.join(cells)} |"


def check(reader: ImageReader, items: list[Item], size: int) -> None:
    reader.headers(items)
    reader.read(items, Decoding(size, 3))
    assert reader.found == len(items) and reader.rows == 0


def main() -> None:
    global CORES
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    count = parser.parse_args().count
    CORES = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(CORES)})
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    image_cache.DOUBTFUL = 0.0
    lines = []
    with tempfile.TemporaryDirectory() as made:
        for side, size in CASES:
            folder = Path(made) / str(side)
            if not folder.exists():
                (folder / "class").mkdir(parents=True)
                for number in range(count):
                    (folder / "class" / f"{number}.jpg").write_bytes(photo(side, number))
            lines.append(measured(folder, side, size, count))
    heads = (
        "pixels",
        "tutelage",
        "Pillow",
        "torchvision",
        "simplejpeg and Pillow",
        "DataLoader, 2 workers, wall",
        "cached",
    )
    text = (
        "# Reading images\n\nCPU milliseconds an image on one core, the least of three passes over "
        f"{count:,} JPEG files of quality 90, with their headers (torchvision and simplejpeg: without). The DataLoader "
        "has two workers. Made by `python benchmarks/data_path.py`.\n\n"
        f"| {' | '.join(heads)} |\n" + "|---" * len(heads) + "|\n" + "\n".join(lines) + "\n"
    )
    RESULT.write_text(text)
    print(text)


CORES: set[int] = set()
if __name__ == "__main__":
    main()
