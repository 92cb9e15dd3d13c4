"""The first stages of a network that stay as they are while it is trained, run by a fast engine."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tutelage.core.cache_folder import cache_folder
from tutelage.networks.engine import Engine, best_engine, fast_engine, network_key


class FrozenFront:
    """The stem and the first blocks of a timm model of the EfficientNet kind, which neither learn nor change.

    It is no module: it holds no weights of its own, and a copy of the network shares it.

    Args:
        trunk: the model, with its final weights.
        blocks: how many of its blocks belong to the front.
    """

    def __init__(self, trunk: nn.Module, blocks: int) -> None:
        self.blocks = blocks
        self._engines: dict[int, Engine] = {}
        parts: Any = trunk
        self._stages = nn.Sequential(parts.conv_stem, parts.bn1, *parts.blocks[:blocks])

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenFront:
        return self

    def takes(self, images: Tensor) -> bool:
        """Whether these images (B, C, S, S) can pass here: in color, on a CPU that has such an engine, in float32."""
        return (
            images.shape[1] == 3
            and images.dtype == torch.float32
            and not images.requires_grad
            and best_engine(images.device) == "openvino"
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_compiling()
        )

    def __call__(self, images: Tensor) -> Tensor:
        """What the first of the other blocks gets from images (B, 3, S, S)."""
        size = images.shape[-1]
        if size not in self._engines:
            stages = self._stages.eval()
            cache = cache_folder() / "engines" / f"{network_key(stages, ('front', size))}.openvino"
            self._engines[size] = fast_engine(stages, size, images.device, kind="openvino", cache=cache)
        return self._engines[size](images)


def front_of(trunk: nn.Module, stages: int) -> FrozenFront | None:
    """The front of that many stages, the stem being the first; None if the model is of another kind."""
    parts: Any = trunk
    if not all(hasattr(parts, name) for name in ("conv_stem", "bn1", "blocks", "conv_head", "bn2", "forward_head")):
        return None
    if not 1 <= stages <= len(parts.blocks) + 1:
        return None
    return FrozenFront(trunk, stages - 1)


def after_front(trunk: nn.Module, images: Tensor, front: FrozenFront) -> Tensor:
    """(B, F): the features of images, of which the first stages are computed by the front."""
    parts: Any = trunk
    maps = parts.blocks[front.blocks :](front(images))
    features: Tensor = parts.forward_head(parts.bn2(parts.conv_head(maps)), pre_logits=True)
    return features
