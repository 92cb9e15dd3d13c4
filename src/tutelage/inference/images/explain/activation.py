"""Finding the last activation of a network that still knows where in the image something is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

_PASSED_ON = (nn.Identity, nn.Dropout)  # modules that compute nothing
_MOST_PREFIX = 8  # tokens that stand before those of patches: of the class, of distillation, registers


@dataclass(frozen=True)
class Activation:
    """The output of a module, as a map of the image.

    Attributes:
        module: it runs once in a pass.
        layout: "first" of (B, C, h, w), "last" of (B, h, w, C), "tokens" of (B, prefix + h * w, C).
        side: h and w.
        prefix: tokens that come before those of patches.
    """

    module: nn.Module
    layout: Literal["first", "last", "tokens"]
    side: int
    prefix: int = 0

    def as_map(self, output: Tensor) -> Tensor:
        """(B, C, h, w) of the output."""
        if self.layout == "tokens":
            return output[:, self.prefix :].transpose(1, 2).unflatten(2, (self.side, self.side))
        return output if self.layout == "first" else output.permute(0, 3, 1, 2)

    def as_output(self, found: Tensor, output: Tensor) -> Tensor:
        """The output with `found` (B, C, h, w) as its map."""
        if self.layout == "tokens":
            return torch.cat([output[:, : self.prefix], found.flatten(2).transpose(1, 2)], dim=1)
        return found if self.layout == "first" else found.permute(0, 2, 3, 1)

    @contextmanager
    def tapped(self) -> Iterator[nn.Module]:
        """While open, the map passes through the module that is given, whose output it is."""
        tap = nn.Identity()

        def through(module: nn.Module, given: Any, output: Tensor) -> Tensor:
            return self.as_output(tap(self.as_map(output)), output)

        handle = self.module.register_forward_hook(through)
        try:
            yield tap
        finally:
            handle.remove()


def last_activation(network: nn.Module, run: Callable[[Tensor], Tensor], images: Tensor) -> Activation | None:
    """The last activation on which the result depends at several positions; None if there is none.

    No names are looked at, only what modules return in a pass: so a network may be a convolutional one, with channels
    first or last, or a transformer. In a transformer whose result is read from the token of the class, the last block
    does not look at the other tokens it returns: the activation is the input of its attention.

    Args:
        network: whose modules are watched, in evaluation mode.
        run: passes images through it; (B, F), all of which counts.
        images: at least two, as the network takes them, square.
    """
    with _watched(network) as outputs, torch.enable_grad():
        result = run(images.detach().requires_grad_())
    once = [(module, found[0]) for module, found in outputs.items() if len(found) == 1]
    once = [(module, output) for module, output in once if len(output) == len(images) and output.requires_grad]
    if not once or not result.requires_grad:
        return None
    weights = torch.randn(result.shape, generator=torch.Generator().manual_seed(0)).to(result.device)
    slopes = torch.autograd.grad((result * weights).sum(), [output for _, output in once], allow_unused=True)
    layouts = _Layouts([output for _, output in once], images.shape[-1])
    found = None
    for (module, output), slope in zip(once, slopes, strict=True):
        activation = layouts.of(module, output)
        if activation is not None and slope is not None and _positions(activation.as_map(slope)) > 1:
            found = activation
    return found


@contextmanager
def _watched(network: nn.Module) -> Iterator[dict[nn.Module, list[Tensor]]]:
    """While open, the tensors that modules return, in the order in which the modules end."""
    outputs: dict[nn.Module, list[Tensor]] = {}

    def watch(module: nn.Module, given: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            outputs.setdefault(module, []).append(output)

    watched = [module for module in network.modules() if not isinstance(module, _PASSED_ON)]
    handles = [module.register_forward_hook(watch) for module in watched]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _positions(slope: Tensor) -> int:
    return int((slope.abs().sum((0, 1)) > 0).sum())


class _Layouts:
    """What is a map among the outputs of a network.

    Queries, keys and values, and what is wider inside of a block, are no tokens: these have the most frequent width.
    """

    def __init__(self, outputs: list[Tensor], image_size: int) -> None:
        self.image_size = image_size
        tokens = [output for output in outputs if output.ndim == 3 and self._prefix(output.shape[1]) is not None]
        self.counts = {output.shape[1] for output in tokens}
        self.width = Counter(output.shape[2] for output in tokens).most_common(1)[0][0] if tokens else 0

    def of(self, module: nn.Module, output: Tensor) -> Activation | None:
        """How an output is a map; None if it is none."""
        if output.ndim == 3 and output.shape[2] == self.width:
            prefix = self._prefix(output.shape[1])
            return None if prefix is None else Activation(module, "tokens", self._side(output.shape[1], prefix), prefix)
        if output.ndim != 4 or output.shape[2] in self.counts:  # of heads (B, heads, tokens, width)
            return None
        _, first, second, third = output.shape
        if second == third and 1 < second <= self.image_size:
            return Activation(module, "first", second)
        return Activation(module, "last", first) if first == second and 1 < first <= self.image_size else None

    def _prefix(self, tokens: int) -> int | None:
        """How many tokens come before a square of patches; None if no number of them leaves one."""
        fits = (prefix for prefix in range(_MOST_PREFIX + 1) if self._side(tokens, prefix) > 1)
        return next((prefix for prefix in fits if self.image_size % self._side(tokens, prefix) == 0), None)

    @staticmethod
    def _side(tokens: int, prefix: int) -> int:
        side = round(max(0, tokens - prefix) ** 0.5)
        return side if side * side == tokens - prefix else 0
