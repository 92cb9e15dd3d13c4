"""OpenVINO's form: a graph in XML, and its weights beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from tutelage.inference.export.formats.base import GraphFormat, quietly
from tutelage.inference.export.portable import Portable, Run
from tutelage.networks.engine import openvino_core


class OpenVinoFormat(GraphFormat):
    """`NAME.xml` and `NAME.bin`."""

    name, ending, beside = "openvino", ".xml", (".bin",)
    packages: ClassVar[Mapping[str, str]] = {"openvino": "openvino"}

    def write(self, model: Portable, file: Path, facts: Mapping[str, str]) -> None:
        """See `GraphFormat`."""
        import openvino

        shape = openvino.PartialShape([-1 if n in model.free else side for n, side in enumerate(model.example.shape)])
        with quietly():
            made = openvino.convert_model(model.graph, example_input=model.example, input=[shape])
        made.inputs[0].get_tensor().set_names({model.source})
        made.outputs[0].get_tensor().set_names({model.result})
        for name, value in facts.items():
            made.set_rt_info(value, ["tutelage", name])
        openvino.save_model(made, file, compress_to_fp16=False)

    def open(self, file: Path, model: Portable) -> Run:
        """See `GraphFormat`."""
        exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        compiled = openvino_core().compile_model(str(file), "CPU", exact)

        def run(batch: NDArray[Any]) -> NDArray[np.float32]:
            return np.array(compiled(batch)[0], np.float32)

        return run
