"""A model that knows three colors, and its page and endpoint: in this process, and behind a real server."""

from __future__ import annotations

import asyncio
import io
import struct
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import torch
import uvicorn
from PIL import Image
from torch import Tensor, nn

from tutelage.core.web.guard import Address, Guard
from tutelage.core.web.server import listen
from tutelage.data.images.loader import Normalization
from tutelage.inference.images.model import Model
from tutelage.inference.serving.app import serving_app
from tutelage.inference.serving.batcher import Batcher, batching
from tutelage.networks.base import Network
from tutelage.tasks.classification import Classification

PORT = 8766
OWN = f"127.0.0.1:{PORT}"
TOKEN = "the-key-of-the-tests"
KEY = {"x-tutelage-token": TOKEN}
COLORS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


class MeanColor(Network):
    """Features are the mean of each channel, and each channel speaks for its class."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 3, bias=False)
        self.head.weight.data = 3 * torch.eye(3)

    def features(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))


def color_model(classes: Sequence[str] = tuple(COLORS)) -> Model:
    """A classifier of images of 8 x 8 pixels, by their color."""
    return Model(
        network=MeanColor().eval(),
        task=Classification(tuple(classes)),
        normalization=Normalization((128.0,) * 3, (64.0,) * 3),
        channels=3,
        image_size=8,
        step=0,
        device=torch.device("cpu"),
    )


def color_file(color: str, size: tuple[int, int] = (12, 10), form: str = "PNG", *, noise: int = 20) -> bytes:
    """A file of an image that is mostly of one color."""
    draw = np.random.default_rng(sum(color.encode()) + noise)
    pixels = np.array(COLORS[color]) + draw.integers(-noise, noise + 1, (size[1], size[0], 3))
    stream = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(stream, form)
    return stream.getvalue()


def png_header(width: int, height: int) -> bytes:
    """The beginning of a PNG file that claims to have this size, and its end."""
    stream = io.BytesIO()
    Image.new("L", (1, 1)).save(stream, "PNG")
    content = stream.getvalue()
    chunk = b"IHDR" + struct.pack(">II", width, height) + content[24:29]
    return content[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[33:]


class Endpoint:
    """The application without a network, and how to ask it; headers are those of a good client, but for those given."""

    def __init__(self, model: Model, batcher: Batcher) -> None:
        self.model, self.batcher = model, batcher
        self.app = serving_app(model, batcher, Address("127.0.0.1", PORT), TOKEN)

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str | None] | None = None,
        body: Any = None,
        files: Sequence[tuple[str, tuple[str, bytes]]] | None = None,
    ) -> httpx.Response:
        return asyncio.run(self._asked(method, path, headers or {}, body, files))

    def predict(self, *files: tuple[str, bytes]) -> httpx.Response:
        """What a form of these files is answered with."""
        return self.ask("POST", "/api/predict", files=[("image", file) for file in files])

    async def _asked(self, method: str, path: str, headers: Mapping[str, str | None], body: Any, files: Any) -> Any:
        transport = httpx.ASGITransport(app=self.app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{OWN}", timeout=30) as client:
            request = client.build_request(method, path, content=body, files=files)
            for name, value in {"host": OWN, **KEY, **headers}.items():
                request.headers.pop(name, None)
                if value is not None:
                    request.headers[name] = value
            return await client.send(request)


@contextmanager
def endpoint(model: Model | None = None, **options: Any) -> Iterator[Endpoint]:
    """The endpoint of a model; `options` are those of its `Batcher`."""
    served = model or color_model()
    with batching(served, **options) as batcher:
        yield Endpoint(served, batcher)


@dataclass(frozen=True)
class ServedModel:
    """A model behind a real server."""

    model: Model
    address: Address
    app: Guard

    @property
    def url(self) -> str:
        return self.address.url(TOKEN)

    def post(self, content: bytes, *, timeout: float = 60) -> httpx.Response:
        """What an image as the body of a request is answered with."""
        headers = {**KEY, "content-type": "application/octet-stream"}
        url = f"http://127.0.0.1:{self.address.port}/api/predict"
        return httpx.post(url, content=content, headers=headers, timeout=timeout, verify=False)


@contextmanager
def serving_model(model: Model | None = None, *, patience: float = 30, **options: Any) -> Iterator[ServedModel]:
    """A model, served in a thread."""
    served = model or color_model()
    bound, address = listen("127.0.0.1", None, 0)
    with bound, batching(served, **options) as batcher:
        app = serving_app(served, batcher, address, TOKEN, patience=patience)
        config = uvicorn.Config(app, ws="none", lifespan="off", log_level="warning", access_log=False)  # type: ignore[arg-type]
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        try:
            yield ServedModel(served, address, app)
        finally:
            server.should_exit = True
            thread.join(10)
