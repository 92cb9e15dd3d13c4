"""The examples of docs/serve.md: the client of the endpoint, and what it says of graphs in other servers."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tutelage
from support.exports import few_pictures
from support.served_model import TOKEN, color_file, serving_model

PAGE = (Path(__file__).parents[1] / "docs" / "serve.md").read_text()
CLIENT, REQUEST = (
    text for text in re.findall(r"```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE) if "urllib" in text
)
(TRITON,) = re.findall(r"```protobuf\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
_FIELDS = re.compile(r'(input|output) \[ { name: "(\w+)" data_type: TYPE_(\w+) dims: \[ ([\d, ]+) \] } \]')

pytestmark = pytest.mark.long


def test_the_client_on_the_page_gets_the_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photo.jpg").write_bytes(color_file("green", form="JPEG"))
    with serving_model() as server:
        own = CLIENT.replace('KEY = "..."', f"KEY = {TOKEN!r}").replace(":8766", f":{server.address.port}")
        exec(compile(own, "serve.md", "exec"), {})
    assert capsys.readouterr().out == "green\n"


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The session of an exported run on 16 x 16 pixels."""
    onnxruntime = pytest.importorskip("onnxruntime")
    root = tmp_path_factory.mktemp("graph")
    tutelage.export(few_pictures(root), out=root / "model.onnx", format="onnx")
    return onnxruntime.InferenceSession(root / "model.onnx")


def test_the_configuration_of_triton_is_that_of_the_graph(graph: Any) -> None:
    told = {
        kind: (name, form, [int(side) for side in dims.split(",")])
        for kind, name, form, dims in _FIELDS.findall(TRITON)
    }
    (source,), (result,) = graph.get_inputs(), graph.get_outputs()
    assert told["input"] == (source.name, "UINT8", [256, 256, 3]) and source.type == "tensor(uint8)"
    assert told["output"] == (result.name, "FP32", [2]) and result.type == "tensor(float)"
    assert source.shape[1:] == [16, 16, 3] and result.shape[1:] == [2]
    assert isinstance(source.shape[0], str) and isinstance(result.shape[0], str)  # the free size of a batch


@contextmanager
def inference_server(graph: Any) -> Iterator[int]:
    """A server that answers one request of the Open Inference Protocol with a graph; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v2/models/cats/infer"
            (given,) = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"]
            assert given["datatype"] == "UINT8"
            images = np.array(given["data"], np.uint8).reshape(given["shape"])
            (found,) = graph.run(None, {given["name"]: images})
            outputs = [
                {"name": "probabilities", "shape": found.shape, "datatype": "FP32", "data": found.ravel().tolist()}
            ]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"outputs": outputs}).encode())

        def log_message(self, *words: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield server.server_port
        thread.join(60)


def test_the_request_on_the_page_is_what_the_graph_takes(
    graph: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photo.jpg").write_bytes(color_file("red", (40, 30), "JPEG"))
    with inference_server(graph) as port:
        exec(compile(REQUEST.replace("256, 256", "16, 16").replace(":8000", f":{port}"), "serve.md", "exec"), {})
    probabilities = json.loads(capsys.readouterr().out)
    assert len(probabilities) == 2 and sum(probabilities) == pytest.approx(1, abs=1e-5)
