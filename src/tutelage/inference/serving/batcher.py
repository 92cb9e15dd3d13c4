"""Images of many requests, decoded by threads, that pass the network together."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tutelage.core.web.refused import Refused
from tutelage.data.images.framing import Pixels
from tutelage.data.images.items import Unreadable
from tutelage.data.images.reading import quiet_pillow
from tutelage.data.images.survey import pixel_reader
from tutelage.inference.images.model import Model
from tutelage.inference.images.prediction import Prediction
from tutelage.inference.serving.limits import MOST_AT_ONCE, MOST_WAITING, WAIT

_SLOWEST = 60  # seconds that a client is asked to wait, at most
_RECENT = 0.2  # weight of the last pass in the mean time of an image


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An image that was accepted.

    Attributes:
        answer: gets the prediction, or the error of the pass.
        arrived: on the monotonic clock, in seconds.
    """

    name: str
    content: bytes
    answer: Future[Prediction] = field(default_factory=Future)
    arrived: float = field(default_factory=time.monotonic)


class Batcher:
    """Predicts the classes of images that requests hand over one by one, several in one pass of the network.

    `workers` threads decode. An image that is decoded waits for others until `wait` seconds after it came, and while
    the pass before it lasts. An image that cannot be read is answered at once, and holds up no other.

    Every image that is accepted is answered. There are at most `capacity` of them at a time; more are refused whole,
    with the time after which there should be room.

    Args:
        model: predicts classes.
        workers: threads that decode; 0 is 1.
        most: images that pass together.
        wait: seconds.
    """

    def __init__(
        self,
        model: Model,
        *,
        workers: int = 2,
        most: int = MOST_AT_ONCE,
        wait: float = WAIT,
        capacity: int = MOST_WAITING,
    ) -> None:
        self.capacity = capacity
        self._most, self._wait = most, wait
        self._model = model
        self._read = pixel_reader(size=model.image_size, channels=model.channels, framing=model.framing)
        self._accepted = 0
        self._seconds = 0.0  # of an image, in the mean of recent passes
        self._lock = threading.Lock()
        self._ready: queue.SimpleQueue[tuple[_Waiting, Pixels] | None] = queue.SimpleQueue()
        self._decoders = ThreadPoolExecutor(max(workers, 1), "decode")
        self._network = threading.Thread(target=self._pass_all, name="network", daemon=True)
        self._network.start()

    def submit(self, images: Sequence[tuple[str, bytes]]) -> list[Future[Prediction]]:
        """The predictions to come for images, by name and content, in order. All are accepted, or none.

        Raises:
            Refused: there are more than `capacity`, or too many others are waiting.
        """
        if len(images) > self.capacity:
            raise Refused(f"a request may have {self.capacity} images at most, this one has {len(images)}", 413)
        with self._lock:
            if self._accepted + len(images) > self.capacity:
                raise Refused("too many images are waiting: try again later", 503, retry_after=self._until_room())
            self._accepted += len(images)
        entries = [_Waiting(name, content) for name, content in images]
        for entry in entries:
            entry.answer.set_running_or_notify_cancel()  # so that nobody can cancel it
            entry.answer.add_done_callback(self._leave)
            self._decoders.submit(self._decode, entry)
        return [entry.answer for entry in entries]

    def close(self) -> None:
        """Answer what was accepted, and end. Nothing may be submitted any more."""
        self._decoders.shutdown()
        self._ready.put(None)
        self._network.join()

    def _until_room(self) -> int:
        """Seconds, at least 1, until those that wait now should be answered."""
        return min(max(1, math.ceil(self._accepted * self._seconds)), _SLOWEST)

    def _leave(self, answer: Future[Prediction]) -> None:
        with self._lock:
            self._accepted -= 1

    def _decode(self, entry: _Waiting) -> None:
        try:
            found = self._read(entry.content)
        except BaseException as error:  # a thread that dies would leave its request without an answer
            entry.answer.set_exception(error)
            return
        if isinstance(found, Unreadable):
            entry.answer.set_result(Prediction(entry.name, None, found.reason))
        else:
            self._ready.put((entry, found))

    def _pass_all(self) -> None:
        """What the thread of the network does until the end."""
        while (first := self._ready.get()) is not None:
            together, ended = self._others(first)
            self._pass(together)
            if ended:
                return

    def _others(self, first: tuple[_Waiting, Pixels]) -> tuple[list[tuple[_Waiting, Pixels]], bool]:
        """An image and those that pass with it, and whether the end has come."""
        together, late = [first], first[0].arrived + self._wait
        while len(together) < self._most:
            try:
                found = self._ready.get(timeout=max(0.0, late - time.monotonic()))
            except queue.Empty:
                break
            if found is None:
                return together, True
            together.append(found)
        return together, False

    def _pass(self, together: Sequence[tuple[_Waiting, Pixels]]) -> None:
        begin = time.monotonic()
        try:
            rows = self._model.probabilities(np.stack([pixels for _, pixels in together])).numpy()
        except BaseException as error:
            for entry, _ in together:
                entry.answer.set_exception(error)
            return
        took = (time.monotonic() - begin) / len(together)
        self._seconds = took if not self._seconds else (1 - _RECENT) * self._seconds + _RECENT * took
        for (entry, _), row in zip(together, rows, strict=True):
            entry.answer.set_result(Prediction(entry.name, row))


@contextmanager
def batching(model: Model, **options: Any) -> Iterator[Batcher]:
    """A `Batcher`, which is closed at the end. It must be entered in the main thread, whose warnings decoders share."""
    with quiet_pillow():
        batcher = Batcher(model, **options)
        try:
            yield batcher
        finally:
            batcher.close()
