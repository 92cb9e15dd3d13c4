"""Passing many images through a network, block by block; the processes of torchrun share the blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from torch import nn

from tutelage.core.distributed import from_main, rank, to_main, world_size
from tutelage.data.images.framing import Pixels
from tutelage.data.images.items import Item, Unreadable
from tutelage.inference.countdown import Countdown
from tutelage.inference.images.kept_blocks import Block, KeptBlocks
from tutelage.inference.model import Tell
from tutelage.networks.engine import network_key
from tutelage.run.frozen_networks import FrozenNetworks

BLOCK = 256  # images
_WORTH_KEEPING = 4  # blocks; fewer are passed again in a moment


def pass_key(network: nn.Module, normalization: object, *more: object) -> str:
    """The key of a pass: of its weights, the normalization of its images, and what else matters."""
    first = normalization.key if isinstance(normalization, FrozenNetworks) else repr(normalization)
    return network_key(network, (first, *more))


def _reasons(found: Sequence[Pixels | Unreadable]) -> list[str]:
    return [image.reason if isinstance(image, Unreadable) else "" for image in found]


@dataclass(frozen=True)
class ImagePass:
    """How images pass a network.

    Attributes:
        read: (C, size, size) uint8 of some items, in order.
        network: from images (n, C, size, size) uint8 to rows (n, F) float32.
        key: changes with all that rows depend on besides the images.
    """

    read: Callable[[Sequence[Item]], Iterator[Pixels | Unreadable]]
    network: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    key: Callable[[], str]

    def blocks(
        self, items: Sequence[Item], numbers: Sequence[int] | None = None, *, size: int = BLOCK
    ) -> Iterator[tuple[int, Block]]:
        """The blocks of `size` items with these numbers, all by default.

        Images are read when they are needed: those of a block while the one before it passes the network. The first
        block passes alone, since networks are compiled then, which must not be done beside the main thread.
        """
        chosen = range(-(-len(items) // size)) if numbers is None else numbers
        stream = self.read([item for number in chosen for item in items[number * size : (number + 1) * size]])
        with ThreadPoolExecutor(1, "network") as thread:
            begun: tuple[int, Future[NDArray[np.float32]], list[str]] | None = None
            for number in chosen:
                found = list(islice(stream, len(items[number * size : (number + 1) * size])))
                if number == chosen[0]:
                    yield number, Block(self._rows(found), _reasons(found))
                    continue
                done = None if begun is None else (begun[0], Block(begun[1].result(), begun[2]))
                begun = number, thread.submit(self._rows, found), _reasons(found)
                if done is not None:
                    yield done
            if begun is not None:
                yield begun[0], Block(begun[1].result(), begun[2])

    def _rows(self, found: Sequence[Pixels | Unreadable]) -> NDArray[np.float32]:
        good = [image for image in found if not isinstance(image, Unreadable)]
        return self.network(np.stack(good)) if good else np.zeros((0, 0), np.float32)

    def shared(self, items: Sequence[Item]) -> Iterator[Block]:
        """All blocks in order, on the first process, of which the others compute their share; they get none."""
        if world_size() == 1:
            yield from (block for _, block in self.blocks(items))
            return
        own = dict(self.blocks(items, range(rank(), -(-len(items) // BLOCK), world_size())))
        of_all = {number: block for part in to_main(own) for number, block in part.items()}
        yield from (of_all[number] for number in sorted(of_all))

    def kept(self, items: Sequence[Item], kept: KeptBlocks, tell: Tell) -> Iterator[Block]:
        """As `shared`; a command that was interrupted goes on from the blocks in its folder.

        Few images of one process are not worth a folder. The caller removes it when the blocks are written elsewhere.

        Args:
            tell: receives lines on the progress.
        """
        count = -(-len(items) // BLOCK)
        if count <= _WORTH_KEEPING and world_size() == 1 and not kept.exists():
            progress, done = Countdown(len(items), "images", tell), 0
            for _, block in self.blocks(items):
                yield block
                done += len(block.errors)
                progress.done(done)
            return
        there = kept.open(items, self.key(), count)
        if there:
            tell(f"- {min(there * BLOCK, len(items)):,} of {len(items):,} images are done already")
        missing = from_main(kept.missing(count) if rank() == 0 else [])[rank() :: world_size()]
        progress, done = Countdown(sum(len(items[n * BLOCK : (n + 1) * BLOCK]) for n in missing), "images", tell), 0
        for number, block in self.blocks(items, missing):
            kept.put(number, block)
            done += len(block.errors)
            progress.done(done)
        if kept.all_there(count):
            yield from (kept.read(number) for number in range(count))
