"""Large pools: CPU time to the first step, time of a step, and peak memory of the whole command.

    python benchmarks/large_pools.py FOLDER [--only links-1000000] [--steps 200]

FOLDER is for about 4 GB of data, which stay there for the next time: noisy JPEG files of 32 and 256 pixels, hard links
to them, and tar shards. Each row is one `tutelage train` on one core with an empty cache: FixMatch from scratch with
the network `small` on images of 32 pixels (of 256-pixel files: 96), 40 labels, batches of 8 + 56, no report. Where
"streamed" is yes, images are decoded when a step needs them (`--data.stream always`). The time to the first step is the
CPU time of a whole command of one step, imports included; the time of a step is what a command of 201 steps takes more,
decoding included. The table is written to benchmarks/results/large_pools.md.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from data_path import photo

RESULT = Path(__file__).parent / "results" / "large_pools.md"
PHOTOS = 200  # different ones, of each size
LABELS = 40
PER_FOLDER, PER_SHARD = 50_000, 50_000


@dataclass(frozen=True)
class Pool:
    """A row: how the images are stored, their number, the side of their files, and of what is trained on."""

    kind: str
    count: int
    side: int
    size: int
    stream: str

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.count}" + ("-decoded" if self.stream == "never" else "")


POOLS = (
    Pool("links", 10_000, 32, 32, "always"),
    Pool("links", 1_000_000, 32, 32, "always"),
    Pool("shards", 10_000, 32, 32, "always"),
    Pool("shards", 1_000_000, 32, 32, "always"),
    Pool("files", 200_000, 32, 32, "never"),
    Pool("files", 200_000, 32, 32, "always"),
    Pool("photos", 20_000, 256, 96, "never"),
    Pool("photos", 20_000, 256, 96, "always"),
)


def make(pool: Pool, folder: Path) -> Path:
    """The images of a pool, with labels for the first 40, unless they are there."""
    root = folder / f"{pool.kind}-{pool.count}"
    if (root / "complete").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    contents = [photo(pool.side, seed) for seed in range(PHOTOS)]
    if pool.kind == "shards":
        root.mkdir(parents=True)
        for shard in range(-(-pool.count // PER_SHARD)):
            with tarfile.open(root / f"{shard:04d}.tar", "w") as tar:
                for number in range(shard * PER_SHARD, min((shard + 1) * PER_SHARD, pool.count)):
                    add(tar, f"{number:07d}.jpg", contents[number % PHOTOS])
                    if number < LABELS:
                        add(tar, f"{number:07d}.cls", b"%d" % (number % 2))
    else:
        for number in range(pool.count):
            place = root / f"{number // PER_FOLDER:03d}" / f"{number:07d}.jpg"
            if number % PER_FOLDER == 0:
                place.parent.mkdir(parents=True)
            if pool.kind != "links":
                place.write_bytes(contents[number % PHOTOS])
            elif number < PHOTOS:
                place.write_bytes(contents[number])
            else:
                os.link(root / "000" / f"{number % PHOTOS:07d}.jpg", place)
        rows = [f"000/{number:07d}.jpg,{'ab'[number % 2]}" for number in range(LABELS)]
        (root / "labels.csv").write_text("\n".join(["path,label", *rows]))
    (root / "complete").touch()
    return root


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def command(root: Path, pool: Pool, out: Path, steps: int) -> list[str]:
    words = [sys.executable, "-m", "tutelage", "train", str(root), "--out", str(out), "--no-report"]
    words += ["--method", "fixmatch", "--network", "small", "--preset", "none", "--batch-size", "8"]
    words += ["--unlabeled-ratio", "7", "--image-size", str(pool.size), "--steps", str(steps), "--workers", "1"]
    return [*words, "--data.stream", pool.stream, "--eval-every", str(steps), "--log-every", str(steps)]


def run(words: list[str], out: Path, cache: Path) -> tuple[float, float]:
    """CPU seconds and peak memory in MB of a whole command, with an empty cache."""
    for old in (out, cache):
        shutil.rmtree(old, ignore_errors=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TUTELAGE_CACHE": str(cache)}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(said)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(pool: Pool, folder: Path, steps: int) -> dict[str, float]:
    """CPU seconds up to and with the first step, of a later step, and the peak memory of the longer command."""
    root, out, cache = make(pool, folder), folder / "run", folder / "cache"
    first, _ = run(command(root, pool, out, 1), out, cache)
    whole, memory = run(command(root, pool, out, 1 + steps), out, cache)
    return {"first": first, "step": (whole - first) / steps, "mb": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="names of rows, separated by commas")
    parser.add_argument("--steps", type=int, default=200, help="after the first one")
    given = parser.parse_args()
    only = set(filter(None, given.only.split(",")))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    lines = []
    for pool in POOLS:
        if only and pool.name not in only:
            continue
        found = measure(pool, given.folder, given.steps)
        streamed = "yes" if pool.stream == "always" else "no"
        row = f"| {pool.kind} | {pool.count:,} | {pool.side} | {pool.size} | {streamed} |"
        lines.append(f"{row} {found['first']:.1f} | {1e3 * found['step']:.0f} | {found['mb']:,.0f} |")
        print(lines[-1], flush=True)
    if not only:
        heading = "| pool | images | pixels | trained on | streamed | CPU s to the first step | CPU ms a step | MB |"
        table = "\n".join([heading, "|---|---|---|---|---|---|---|---|", *lines])
        text = f"# Large pools\n\nOne core, one run each, of `python benchmarks/large_pools.py FOLDER`.\n\n{table}\n"
        RESULT.write_text(text)


if __name__ == "__main__":
    main()
