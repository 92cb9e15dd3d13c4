"""How long the teacher's average should be, as a share of the training: its accuracy for several shares and lengths.

    python benchmarks/ema_decay.py digits [--steps 50,100,200,400,800] [--seeds 4] [--out FILE]
    python benchmarks/ema_decay.py cifar10 --methods supervised,fixmatch --steps 100,300,1000

Supervised training and FixMatch do not look at their average, so that one training serves for all shares; Mean Teacher
learns from it and is trained once for each. CIFAR-10 (JPEG copies): 10,000 training and 2,000 test images in the folder
`$TUTELAGE_DATA/cifar10`, 400 labels.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import statistics
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image

from tutelage.config import RunConfig, resolve
from tutelage.core.console import screen
from tutelage.core.ema import EMATeacher
from tutelage.run.data_modules.images import ImageModule
from tutelage.training.health import Health
from tutelage.training.loop import run_step

SHARES = (0.02, 0.05, 1 / 12, 0.15, 0.3)
FIXED = (0.999, 0.99)


def decays(steps: int) -> dict[str, float]:
    """By name: the decay whose window is a share of the steps, at most 0.999, and fixed ones."""
    shares = {f"{share:.3f}": min(0.999, max(0.0, 1.0 - 1.0 / (share * steps))) for share in SHARES}
    return shares | {str(decay): decay for decay in FIXED}


def settings(data: dict[str, Any], method: str, steps: int, seed: int, decay: float) -> RunConfig:
    given = {
        **data,
        "method.name": method,
        "method.ema_decay": decay,
        "train.steps": steps,
        "train.seed": seed,
        "train.workers": 0,
        "train.device": "cpu",
    }
    return resolve(given, preset=f"{method}-{'digits' if data['data.path'] == 'digits' else 'small'}")


def train(cfg: RunConfig, averages: dict[str, float], folder: Path) -> dict[str, float]:
    """The test accuracy of the student, of the method's own teacher, and of further averages of the student."""
    module = ImageModule(screen(quiet=True), torch.device("cpu"))
    module.load(cfg, folder)
    cfg = module.decide(cfg)
    student = module.network(cfg, published=False)
    module.start(student, None)
    assert cfg.train.steps is not None
    training = module.training(cfg, student, steps=cfg.train.steps)
    method = training.method
    method.train()
    teachers = {name: EMATeacher(method.student, decay, buffers="copy") for name, decay in averages.items()}
    health = Health(training.device)
    for step in range(training.total):
        run_step(training, step, health)
        for teacher in teachers.values():
            teacher.update(method.student, step + 1)
    training.loader.close()
    assert method.teacher is not None
    networks = {"student": method.student, "own": method.teacher.network}
    networks |= {name: teacher.network for name, teacher in teachers.items()}
    exam = module.final_exams(training, folder)["test"]()
    return {name: exam.score(network).metrics["accuracy"] for name, network in networks.items()}


def measure(data: dict[str, Any], method: str, steps: int, seed: int) -> dict[str, float]:
    with TemporaryDirectory() as folder:
        chosen = decays(steps)
        if method != "mean-teacher":
            return train(settings(data, method, steps, seed, 0.99), chosen, Path(folder))
        found = {n: train(settings(data, method, steps, seed, d), {}, Path(folder)) for n, d in chosen.items()}
        return {"student": statistics.fmean(f["student"] for f in found.values())} | {
            n: f["own"] for n, f in found.items()
        }


def cifar10(folder: Path) -> dict[str, Any]:
    """Writes the images as .npz files."""
    source = Path(os.environ["TUTELAGE_DATA"]) / "cifar10"
    for part, count in (("train", 10_000), ("test", 2_000)):
        images, labels = [], []
        for shard in sorted(source.glob(f"{part}-*.tar.gz")):
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(shard.read_bytes()))) as tar:
                content = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
                for name in sorted(name for name in content if name.endswith(".jpg")):
                    images.append(np.asarray(Image.open(content[name])))
                    labels.append(int(content[name.replace(".jpg", ".cls")].read()))
            if len(images) >= count:
                break
        np.savez(folder / f"{part}.npz", x=np.stack(images[:count]), y=np.array(labels[:count]))
    return {
        "data.path": str(folder / "train.npz"),
        "data.test": str(folder / "test.npz"),
        "data.label_count": 400,
        "data.val_share": 0.0,
        "train.batch_size": 32,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=("digits", "cifar10"))
    parser.add_argument("--methods", default="supervised,fixmatch,mean-teacher")
    parser.add_argument("--steps", default="50,100,200,400,800")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = []
    with TemporaryDirectory() as folder:
        data = {"data.path": "digits", "data.label_count": 40} if arguments.data == "digits" else cifar10(Path(folder))
        for method in arguments.methods.split(","):
            for steps in map(int, arguments.steps.split(",")):
                found = [measure(data, method, steps, seed) for seed in range(arguments.seeds)]
                means = {name: 100 * statistics.fmean(f[name] for f in found) for name in found[0] if name != "own"}
                rows.append(
                    {"data": arguments.data, "method": method, "steps": steps, "runs": found, "accuracy": means}
                )
                print(method, steps, {name: round(mean, 1) for name, mean in means.items()}, flush=True)
                if arguments.out is not None:
                    arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
