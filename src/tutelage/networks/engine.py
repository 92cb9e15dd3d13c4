"""Runs a frozen network as fast as the machine allows: OpenVINO where installed, else PyTorch."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load, save
from torch import Tensor, nn

from tutelage.core.errors import RunError
from tutelage.core.files import sha256, write_atomically

Engine = Callable[[Tensor], Tensor]
ENGINES = ("openvino", "torch")
_CHECKSUM = 64  # hexadecimal digits of SHA-256


def fast_engine(
    network: nn.Module, image_size: int, device: torch.device, *, kind: str | None = None, cache: Path | None = None
) -> Engine:
    """A function from standardized images (B, 3, image_size, image_size) to what `network` returns, in float32.

    The results of all engines agree to about 1e-5. `network` must be in evaluation mode, and must not change later.

    Args:
        device: of the images and the results; only the CPU has engines other than PyTorch.
        kind: "openvino" or "torch"; None takes OpenVINO on a CPU if it is installed.
        cache: a file to keep the converted network in, whose name must identify the network with its weights;
            converting takes seconds. A damaged file is made anew.
    """
    kind = kind or best_engine(device)
    if kind == "openvino":
        return _openvino(network, image_size, cache)
    network = network.to(device).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def run(images: Tensor) -> Tensor:
        outputs: Tensor = network(images.contiguous(memory_format=torch.channels_last))
        return outputs.float()

    return run


def best_engine(device: torch.device) -> str:
    """The name of the fastest engine for a device."""
    if device.type == "cpu" and importlib.util.find_spec("openvino") is not None:
        return "openvino"
    return "torch"


def network_key(network: nn.Module, more: object) -> str:
    """32 hexadecimal digits that change with the weights of a network and with `more`, what else matters."""
    digest = hashlib.blake2b(repr(more).encode(), digest_size=16)
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _openvino(network: nn.Module, image_size: int, cache: Path | None) -> Engine:
    import openvino

    kept = None if cache is None else _read(cache)
    if kept is None:
        kept = _converted(network, image_size)
        if cache is not None:
            _keep(cache, kept)
    model = openvino_core().read_model(kept["graph"].tobytes(), openvino.Tensor(kept["weights"]))
    threads = torch.get_num_threads()
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}  # its default may be bfloat16
    compiled = openvino_core().compile_model(model, "CPU", exact)

    def run(images: Tensor) -> Tensor:
        result = compiled(np.ascontiguousarray(images.numpy()))[0]
        return torch.from_numpy(np.array(result, dtype=np.float32))

    return run


@functools.cache
def openvino_core() -> Any:
    """The one core of this process, which lives as long.

    A core sets a stack for signal handlers, and the end of one of several leaves the stack of another one that has
    ended: the next signal, such as Ctrl-C, would be a segmentation fault.
    """
    import openvino

    return openvino.Core()


def _converted(network: nn.Module, image_size: int) -> dict[str, Any]:
    """The "graph" and the "weights" of OpenVINO's form of a network, as bytes (uint8 arrays)."""
    import openvino

    shape = openvino.PartialShape([-1, 3, image_size, image_size])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: shapes are fixed here
        model = openvino.convert_model(network, example_input=torch.zeros(1, 3, image_size, image_size), input=[shape])
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "network.xml"
        openvino.save_model(model, graph, compress_to_fp16=False)
        files = {"graph": graph, "weights": graph.with_suffix(".bin")}
        return {name: np.frombuffer(file.read_bytes(), np.uint8) for name, file in files.items()}


def _keep(file: Path, parts: dict[str, Any]) -> None:
    """Write them with a checksum; what cannot be written is not kept."""
    content = save(parts)
    with contextlib.suppress(OSError, RunError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, sha256(content).encode() + content)


def _read(file: Path) -> dict[str, Any] | None:
    """What `_keep` wrote; None if there is no such file, or if it is damaged."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    checksum, parts = content[:_CHECKSUM], content[_CHECKSUM:]
    return load(parts) if sha256(parts).encode() == checksum else None
