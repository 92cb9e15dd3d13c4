"""Runs a frozen network as fast as the machine allows: OpenVINO where installed, else PyTorch."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

Engine = Callable[[Tensor], Tensor]
ENGINES = ("openvino", "torch")


def fast_engine(network: nn.Module, image_size: int, device: torch.device, *, kind: str | None = None) -> Engine:
    """A function from standardized images (B, 3, image_size, image_size) to what `network` returns, in float32.

    The results of all engines agree to about 1e-5. `network` must be in evaluation mode, and must not change later.

    Args:
        device: of the images and the results; only the CPU has engines other than PyTorch.
        kind: "openvino" or "torch"; None takes OpenVINO on a CPU if it is installed.
    """
    kind = kind or best_engine(device)
    if kind == "openvino":
        return _openvino(network, image_size)
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


def _openvino(network: nn.Module, image_size: int) -> Engine:
    import openvino

    shape = openvino.PartialShape([-1, 3, image_size, image_size])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: shapes are fixed here
        model = openvino.convert_model(network, example_input=torch.zeros(1, 3, image_size, image_size), input=[shape])
    threads = torch.get_num_threads()
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}  # its default may be bfloat16
    compiled = openvino.Core().compile_model(model, "CPU", exact)

    def run(images: Tensor) -> Tensor:
        result = compiled(np.ascontiguousarray(images.numpy()))[0]
        return torch.from_numpy(np.array(result, dtype=np.float32))

    return run
