"""The device and the precision of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tutelage.core.errors import ConfigError

_PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` is CUDA if available, else MPS, else the CPU.

    Raises:
        ConfigError: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"train.device must be auto, cpu, cuda, cuda:N or mps, got {name!r}") from None
    if device.type not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"train.device must be auto, cpu, cuda, cuda:N or mps, got {name!r}")
    if device.type != "cuda" and device.index:
        raise ConfigError(f"train.device {name}: this machine has one {device.type}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"train.device {name}: this machine has {torch.cuda.device_count()} CUDA devices")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("train.device mps: this machine has no MPS device")
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The precision of forward passes; `auto` is bf16 on GPUs that support it, else fp32.

    Raises:
        ConfigError: the device does not support it.
    """
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    if name == "fp16" and device.type == "cpu":
        raise ConfigError("train.precision fp16 is for GPUs; on a CPU use fp32 or bf16")
    return _PRECISIONS[name]


@contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """While open, torch computes with one thread on a CPU: small matrices cost less than waking the others."""
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
