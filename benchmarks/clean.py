"""What `tutelage clean` finds of faults that were planted in photos.

    python benchmarks/clean.py DATA --out runs/clean [--count 200] [--draws 3]
    python benchmarks/clean.py --speed

DATA holds photos/cats-dogs and photos/flowers-12 (training and test photos together). A pile of links to the photos is
made for each kind of fault:

- copies: COUNT copies each that are re-encoded (JPEG quality 30 to 90), resized (to 40 to 80%), cropped (to 85 to 95%
  of each side, at a random place), or mirrored, of as many photos as there are copies;
- wrong labels: COUNT labels are replaced by another class, at random;
- foreign images: COUNT photos of the other set, without a label, with a random label, or in a pile without any label.

Copies that a set has already are counted apart: they are what the command finds before anything is planted. The table
is written to benchmarks/results/clean.md. With --speed, the searches for copies are timed on 20,000 synthetic images
whose features are so similar that the search for crops reaches its limit of pairs; nothing is written.
"""

from __future__ import annotations

import argparse
import io
import resource
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from rich.console import Console

from tutelage.commands.clean import CleanConfig, examined
from tutelage.curation.cleaning.crops import cropped_pairs
from tutelage.curation.cleaning.faults import COPIES, Fault, Kind
from tutelage.data.images.perceptual_hash import SIDE
from tutelage.data.images.resaved import resaved_pairs

RESULTS = Path(__file__).parent / "results"
SETS = ("cats-dogs", "flowers-12")
PLANTED = {"reencoded": Kind.RESAVED, "resized": Kind.RESAVED, "cropped": Kind.CROPPED, "mirrored": Kind.MIRRORED}


def changed(kind: str, image: Image.Image, draw: np.random.Generator) -> bytes:
    """A copy of that kind, as JPEG."""
    image, (width, height) = image.convert("RGB"), image.size
    quality = int(draw.integers(30, 91)) if kind == "reencoded" else 90
    if kind == "resized":
        share = draw.uniform(0.4, 0.8)
        image = image.resize((round(width * share), round(height * share)), Image.Resampling.BICUBIC)
    elif kind == "cropped":
        own = [round(side * draw.uniform(0.85, 0.95)) for side in (width, height)]
        left, top = (int(draw.integers(0, side - kept + 1)) for side, kept in zip((width, height), own, strict=True))
        image = image.crop((left, top, left + own[0], top + own[1]))
    elif kind == "mirrored":
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def photos_of(data: Path, name: str) -> list[Path]:
    return sorted((data / "photos" / name).rglob("*.jpg"))


def linked(folder: Path, photos: list[Path]) -> Path:
    """A new folder of links to photos, named by their class and file."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for photo in photos:
        (folder / f"{photo.parent.name}-{photo.name}").symlink_to(photo.resolve())
    return folder


def found_in(folder: Path, labels: dict[str, str]) -> tuple[list[Fault], float]:
    """The faults, and the CPU seconds that finding them took."""
    table = folder.with_suffix(".csv")
    pd.DataFrame({"path": list(labels), "label": list(labels.values())}).to_csv(table, index=False)
    begin = time.process_time()
    cfg = CleanConfig(data=str(folder), labels=str(table) if labels else None, workers=1)
    faults = examined(cfg, Console(quiet=True)).faults
    return faults, time.process_time() - begin


def labels_of(photos: list[Path]) -> dict[str, str]:
    return {f"{photo.parent.name}-{photo.name}": photo.parent.name for photo in photos}


def copies(name: str, data: Path, out: Path, count: int) -> list[str]:
    """A row for each kind of copy, and one for the copies that were there before."""
    photos = photos_of(data, name)
    folder = linked(out / f"{name}-copies", photos)
    natural = [fault for fault in found_in(folder, labels_of(photos))[0] if fault.kind in COPIES]
    draw = np.random.default_rng(0)
    origin = {path: path for path in labels_of(photos)}
    for fault in natural:  # a copy of one of them is a copy of the other
        origin[fault.path] = origin[fault.other]
    count = min(count, len(photos) // len(PLANTED))
    chosen = draw.permutation(len(photos))
    kinds: dict[str, str] = {}
    for number, kind in enumerate(PLANTED):
        for row in chosen[number * count : (number + 1) * count]:
            file = f"{kind}-{row}.jpg"
            (folder / file).write_bytes(changed(kind, Image.open(photos[row]), draw))
            kinds[file], origin[file] = kind, origin[f"{photos[row].parent.name}-{photos[row].name}"]
    faults, seconds = found_in(folder, labels_of(photos))
    named = [fault for fault in faults if fault.kind in COPIES and {fault.path, fault.other} & set(kinds)]
    right = [fault for fault in named if origin[fault.path] == origin[fault.other]]
    rows = []
    for kind, wanted in PLANTED.items():
        own = {file for file, each in kinds.items() if each == kind}
        hit = {file for fault in right for file in (fault.path, fault.other) if file in own}
        exact = {file for fault in right if fault.kind == wanted for file in (fault.path, fault.other) if file in own}
        said = [fault for fault in named if {fault.path, fault.other} & own]
        precise = [fault for fault in said if fault in right]
        share = f"{100 * len(precise) / max(len(said), 1):.1f}"
        rows.append(
            f"| {name} | {kind} | {count} | {len(said)} | {100 * len(hit) / count:.1f} | {share} | "
            f"{100 * len(exact) / count:.1f} |"
        )
    before = ", ".join(f"{number} {kind}" for kind, number in Counter(str(fault.kind) for fault in natural).items())
    print(f"{name}: as it came {before or 'no copies'}; {seconds:.0f} CPU s for {len(origin)} images", flush=True)
    for fault in named:
        if fault not in right:
            print("  wrong:", fault.path, fault.other, fault.kind, f"{fault.score:.3f}")
    return [*rows, f"| {name} | in the set as it came | - | {len(natural)} ({before}) | - | - | - |"]


def wrong_labels(name: str, data: Path, out: Path, count: int, draws: int) -> str:
    """A row: the mean and the standard deviation over the draws of the wrong labels."""
    photos = photos_of(data, name)
    folder, truth = linked(out / f"{name}-labels", photos), labels_of(photos)
    classes, numbers = sorted(set(truth.values())), []
    for seed in range(draws):
        draw = np.random.default_rng(seed)
        wrong = {list(truth)[row] for row in draw.choice(len(truth), count, replace=False)}
        given = {
            path: str(draw.choice([other for other in classes if other != label])) if path in wrong else label
            for path, label in truth.items()
        }
        listed = [fault for fault in found_in(folder, given)[0] if fault.kind == Kind.WRONG_LABEL]
        hits = [fault for fault in listed if fault.path in wrong]
        first = [fault for fault in listed[: round(1.5 * count)] if fault.path in wrong]
        named = [fault for fault in hits if fault.label == truth[fault.path]]
        numbers.append(
            (
                len(listed),
                100 * len(hits) / count,
                100 * len(hits) / max(len(listed), 1),
                100 * len(first) / count,
                100 * len(named) / max(len(hits), 1),
            )
        )
    none = len([fault for fault in found_in(folder, truth)[0] if fault.kind == Kind.WRONG_LABEL])
    cells = [f"{statistics.mean(own):.1f} ({statistics.pstdev(own):.1f})" for own in zip(*numbers, strict=True)]
    return f"| {name} | {count} of {len(truth)} | {' | '.join(cells)} | {none} |"


def foreign(name: str, data: Path, out: Path, count: int) -> list[str]:
    """A row for each way to plant foreign images."""
    photos, others = photos_of(data, name), photos_of(data, next(other for other in SETS if other != name))
    draw = np.random.default_rng(0)
    rows = []
    ways: dict[str, tuple[int, Callable[[], str | None], Kind]] = {
        "without a label": (count, lambda: None, Kind.NO_CLASS),
        "with a random label": (
            count,
            lambda: str(draw.choice(sorted({photo.parent.name for photo in photos}))),
            Kind.UNLIKE_CLASS,
        ),
        "in a pile without labels": (count, lambda: None, Kind.UNLIKE_ALL),
        "a single one in a pile without labels": (1, lambda: None, Kind.UNLIKE_ALL),
    }
    for way, (number, label, kind) in ways.items():
        taken = [others[row] for row in draw.choice(len(others), number, replace=False)]
        folder = linked(out / f"{name}-foreign", [*photos, *taken])
        strange = labels_of(taken)
        given = {} if kind == Kind.UNLIKE_ALL else labels_of(photos)
        if given:
            given |= {path: own for path in strange if (own := label()) is not None}
        listed = [fault for fault in found_in(folder, given)[0] if fault.kind == kind]
        hits = [fault for fault in listed if fault.path in strange]
        rows.append(
            f"| {name} | {way} | {number} | {len(listed)} | {100 * len(hits) / number:.1f} | "
            f"{100 * len(hits) / max(len(listed), 1):.1f} |"
        )
        print(rows[-1], flush=True)
    return rows


def speed(count: int = 20_000) -> None:
    """Print the CPU seconds of the searches for copies among `count` synthetic images, and the peak memory."""
    draw = np.random.default_rng(0)
    centers = draw.normal(size=(200, 256))
    features = (centers[draw.integers(0, 200, count)] + draw.normal(scale=0.5, size=(count, 256))).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    thumbnails = draw.integers(0, 256, (count, SIDE, SIDE), np.uint8)
    searches: dict[str, Callable[[], object]] = {
        "saved again": lambda: resaved_pairs(thumbnails),
        "mirrored": lambda: resaved_pairs(thumbnails, mirrored=True),
        "cropped": lambda: cropped_pairs(features, thumbnails),
    }
    for name, search in searches.items():
        begin = time.process_time()
        search()
        print(f"{name}: {time.process_time() - begin:.1f} CPU s for {count} images", flush=True)
    print(f"peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--draws", type=int, default=3)
    args = parser.parse_args()
    if args.speed:
        speed()
        return
    if args.data is None or args.out is None:
        parser.error("name DATA and --out")
    parts: dict[str, list[str]] = {"copies": [], "labels": [], "foreign": []}
    for name in SETS:
        parts["copies"] += copies(name, args.data, args.out, args.count)
        parts["labels"].append(wrong_labels(name, args.data, args.out, args.count, args.draws))
        parts["foreign"] += foreign(name, args.data, args.out, args.count)
    text = f"""# Faults that were planted in photos, and what `tutelage clean` finds

`python benchmarks/clean.py DATA --out runs/clean`, with the features of the pretrained network. Shares in percent.

## Copies

{args.count} of each kind. "Right kind" counts those that are also called what they are.

| data | copies | planted | listed | recall | precision | right kind |
|---|---|---|---|---|---|---|
{chr(10).join(parts["copies"])}

## Wrong labels

Mean (standard deviation) over {args.draws} draws. The last column is what is listed before labels are changed.

| data | planted | listed | recall | precision | among the first 1.5 x as many | right label suggested | listed before |
|---|---|---|---|---|---|---|---|
{chr(10).join(parts["labels"])}

## Foreign images

Photos of the other set.

| data | foreign images | planted | listed | recall | precision |
|---|---|---|---|---|---|
{chr(10).join(parts["foreign"])}
"""
    (RESULTS / "clean.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
