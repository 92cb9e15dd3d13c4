"""ONNX, read by onnxruntime and many others."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from tutelage.inference.export.formats.base import GraphFormat, dynamic_shapes, quietly
from tutelage.inference.export.portable import Portable, Run


class OnnxFormat(GraphFormat):
    """One file, with the weights in it."""

    name, ending = "onnx", ".onnx"
    packages: ClassVar[Mapping[str, str]] = {"onnx": "onnx", "onnxscript": "onnxscript", "onnxruntime": "onnxruntime"}

    def write(self, model: Portable, file: Path, facts: Mapping[str, str]) -> None:
        """See `GraphFormat`."""
        with quietly(), contextlib.redirect_stdout(io.StringIO()):
            program = torch.onnx.export(
                model.graph,
                (model.example,),
                dynamo=True,
                input_names=[model.source],
                output_names=[model.result],
                dynamic_shapes=dynamic_shapes(model),
                external_data=False,
                verbose=False,
            )
            assert program is not None
            proto: Any = program.model_proto
        for name, value in facts.items():
            entry = proto.metadata_props.add()
            entry.key, entry.value = name, value
        file.write_bytes(proto.SerializeToString())

    def open(self, file: Path, model: Portable) -> Run:
        """See `GraphFormat`."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

        def run(batch: NDArray[Any]) -> NDArray[np.float32]:
            found: NDArray[np.float32] = session.run([model.result], {model.source: batch})[0]
            return found

        return run
