"""Any image model of the timm library, selected by its name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tutelage.core.errors import ConfigError, MissingExtra, did_you_mean
from tutelage.core.hub import unreachable_hub
from tutelage.core.wording import option
from tutelage.networks.base import Network
from tutelage.networks.feature_transform import FeatureTransform
from tutelage.networks.frozen_front import FrozenFront, after_front, front_of
from tutelage.networks.weights_file import match_weights, read_weights

Levels = tuple[float, ...]
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class ImagePreparation:
    """How images were prepared for published weights, from their own configuration.

    Attributes:
        mean, std: per channel, on a scale of 0 to 255.
        image_size: side in pixels.
        crop_share: share of the short side that the centered square takes.
        interpolation: filter of the resizing.
        license: of the weights, as named by timm; "" if unknown.
    """

    mean: Levels
    std: Levels
    image_size: int
    crop_share: float
    interpolation: str
    license: str


class TimmNetwork(Network):
    """A timm model without its classifier, followed by dropout and a new linear head.

    With `feature_dims`, a transform stands before the dropout, as in front of a head on frozen features: so such a head
    can be trained on together with the network. Its center and components are buffers, which are loaded or fitted.

    Most of these models reduce the resolution by a factor of 32, which leaves little of images below about 96 pixels.

    Args:
        name: the model's name in timm, e.g. "resnet18"; a tag after a dot selects one of its published weights.
        image_size: side of the images in pixels; models with a fixed input size are built for it.
        pretrained: load published weights, from timm's cache or the internet. With one channel, the weights of the
            first layer are summed over colors.
        weights: a file of weights of this network to load instead, matched by name or by order and shape.
        dropout: probability on the features.
        feature_dims: D, the principal components of the features that the head sees; None leaves them as they are.

    Attributes:
        loaded: what was loaded from where, in words; "" for random weights.

    Raises:
        MissingExtra: timm is not installed.
        ConfigError: timm has no such model, its weights are not available, or it does not accept images of that size.
    """

    def __init__(
        self,
        name: str,
        *,
        num_classes: int,
        channels: int = 3,
        image_size: int,
        pretrained: bool = False,
        weights: Path | None = None,
        dropout: float = 0.0,
        feature_dims: int | None = None,
    ) -> None:
        super().__init__()
        self.loaded = ""
        self.trunk = _create(name, channels, image_size, pretrained and weights is None)
        if weights is not None:
            self.loaded = _load_file(self.trunk, weights, channels)
        elif pretrained:
            self.loaded = f"{len(self.trunk.state_dict())} tensors from timm's published weights {name}"
        self.dropout = nn.Dropout(dropout)
        self.width = _feature_count(self.trunk, name, channels, image_size)
        self.transform: nn.Module = nn.Identity()
        if feature_dims is not None:
            self.transform = FeatureTransform(self.width, feature_dims)
        self.head = nn.Linear(feature_dims or self.width, num_classes)
        nn.init.xavier_normal_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self._front: FrozenFront | None = None
        self._frozen_stages = 0
        self.register_load_state_dict_post_hook(_forget_front)

    def features(self, images: Tensor) -> Tensor:
        """(B, F): the input of timm's classifier, or (B, D): its transform."""
        if self._front is not None and self._front.takes(images):
            features = after_front(self.trunk, images, self._front)
        else:
            features = self.trunk(images)
        return self.dropout(self.transform(features))

    def hold_first(self, stages: int) -> None:
        """Let a faster engine run the first stages where there is one, since their weights and statistics stay."""
        self._frozen_stages = stages
        self._front = front_of(self.trunk, stages)

    def stages(self) -> list[list[nn.Parameter]]:
        """The parameters of timm's model by stage, from the first one to the last."""
        from timm.models import group_parameters

        trunk: Any = self.trunk
        groups = group_parameters(trunk, trunk.group_matcher(coarse=True))
        parameters = dict(self.trunk.named_parameters())
        return [[parameters[name] for name in groups[number]] for number in sorted(groups)]


def _forget_front(network: TimmNetwork, keys: Any) -> None:
    """After other weights were loaded, a front of the old ones is of no use."""
    if network._front is not None:
        network.hold_first(network._frozen_stages)


def preparation(name: str) -> ImagePreparation:
    """How images were prepared for the published weights of a model of timm.

    Raises:
        MissingExtra: timm is not installed.
        ConfigError: timm has no such model.
    """
    _known_weights(name)
    import timm

    settings = timm.get_pretrained_cfg(name)
    if settings is None:
        raise ConfigError(f"network.name: timm does not say how images are prepared for 'timm:{name}'")
    return ImagePreparation(
        mean=tuple(255.0 * value for value in settings.mean),
        std=tuple(255.0 * value for value in settings.std),
        image_size=int(settings.input_size[-1]),
        crop_share=float(settings.crop_pct),
        interpolation=str(settings.interpolation),
        license=settings.license or "",
    )


def _load_file(trunk: nn.Module, file: Path, channels: int) -> str:
    """Load a file of weights into a network without a classifier; returns what was loaded, in words."""
    found = read_weights(file)
    matched = match_weights(trunk.state_dict(), _for_channels(trunk, found.weights, channels), file)
    trunk.load_state_dict(matched.tensors, strict=False)
    unused = f"; left out: {', '.join(matched.unused[:4])}" if matched.unused else ""
    more = f" and {len(matched.unused) - 4} more" if matched.unused[4:] else ""
    return f"{len(matched.tensors)} tensors from {file.name}, matched {matched.how}{unused}{more}"


def _for_channels(trunk: nn.Module, weights: dict[str, Tensor], channels: int) -> dict[str, Tensor]:
    """Weights whose first convolution takes `channels` channels, by the rule of timm.

    Those of colors are summed where the images are gray, and repeated where they have more channels, scaled so that the
    sum of their outputs stays.
    """
    first = next((m for m in trunk.modules() if isinstance(m, nn.Conv2d)), None)
    if channels == 3 or first is None:
        return weights
    adapted = dict(weights)
    for name, value in weights.items():
        if value.ndim == 4 and value.shape[1] == 3 and (len(value), channels, *value.shape[2:]) == first.weight.shape:
            repeated = value.repeat(1, -(-channels // 3), 1, 1)[:, :channels] * (3 / channels)
            adapted[name] = value.sum(1, keepdim=True) if channels == 1 else repeated
            break
    return adapted


def _known_weights(name: str) -> list[str]:
    """The names of the published weights of a model of timm."""
    try:
        import timm
    except ModuleNotFoundError as error:
        raise MissingExtra(f"network.name 'timm:{name}'", "timm", "timm") from error
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise ConfigError(f"network.name: timm has no model '{architecture}'{did_you_mean(name, timm.list_models())}")
    weights: list[str] = timm.list_models(f"{architecture}.*", pretrained=True)
    if tag and name not in weights:
        raise ConfigError(f"network.name: timm has no weights '{name}'{did_you_mean(name, weights)}")
    return weights


def _create(name: str, channels: int, image_size: int, pretrained: bool) -> nn.Module:
    weights = _known_weights(name)
    import timm

    if pretrained and not weights:
        raise ConfigError(
            f"network.pretrained: there are no published weights for 'timm:{name}'; "
            f"{option('network.pretrained', 'false')} starts from random ones"
        )
    settings = timm.get_pretrained_cfg(name)
    if pretrained and settings is not None and settings.hf_hub_id:
        _require_reachable(name, settings.hf_hub_id)
    fixed_size: dict[str, Any] = {"img_size": image_size} if settings and settings.fixed_input_size else {}
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, in_chans=channels, **fixed_size)
    except Exception as error:  # timm and its hub client share no base class for download errors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if not pretrained:
            raise ConfigError(
                f"network.name 'timm:{name}' cannot be built for {channels} channels and {image_size} pixels: {reason}"
            ) from error
        raise ConfigError(
            f"network.pretrained: the weights of 'timm:{name}' could not be loaded, which needs an internet "
            f"connection the first time ({reason}); {option('network.pretrained', 'false')} starts from random weights"
        ) from error


def _require_reachable(name: str, repository: str) -> None:
    """Refuse published weights at once where neither the hub's cache nor the hub can be reached; it retries for long.

    Raises:
        ConfigError: they cannot be.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    if any(try_to_load_from_cache(repository, file) for file in _HUB_FILES):
        return
    if (host := unreachable_hub()) is not None:
        raise ConfigError(
            f"network.pretrained: the weights of 'timm:{name}' are not in the cache {constants.HF_HUB_CACHE}, and "
            f"{host} cannot be reached; download the file elsewhere and name it with "
            f"{option('network.weights', 'FILE')}, or start from random weights with "
            f"{option('network.pretrained', 'false')}"
        )


@torch.no_grad()
def _feature_count(trunk: nn.Module, name: str, channels: int, image_size: int) -> int:
    """The number of features, from a pass over a blank image. Models name it differently; some need large images."""
    trunk.eval()
    try:
        features = trunk(torch.zeros(1, channels, image_size, image_size))
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(
            f"network.name 'timm:{name}' does not accept images of {image_size} pixels ({reason}); "
            "choose a larger data.image_size, or 'small'"
        ) from error
    finally:
        trunk.train()
    if features.ndim != 2:
        raise ConfigError(
            f"network.name 'timm:{name}' returns features of shape {tuple(features.shape)}, expected one row per "
            "image; choose another network"
        )
    return features.shape[1]
