"""From the name of a view to its transform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tutelage.augment.contrastive import Contrastive
from tutelage.augment.ct_augment import CTAugment
from tutelage.augment.cutout import Cutout
from tutelage.augment.image_ops.inputs import check_images
from tutelage.augment.operation import FILLS
from tutelage.augment.rand_augment import RandAugment
from tutelage.augment.view import Draws, ImageShape, View
from tutelage.augment.weak import Weak, WeakCrop
from tutelage.config.augment import AugmentConfig
from tutelage.config.data import MOST_CHANNELS
from tutelage.core.errors import ConfigError, did_you_mean

VIEWS = ("identity", "weak", "strong", "probe", "contrastive")


class Identity(View):
    """The image as it is."""

    def draw(self, rows: int, shape: ImageShape, generator: torch.Generator) -> Draws:
        return {}

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        check_images(images)
        return images

    def describe(self, draws: Draws, row: int) -> str:
        return "unchanged"


class WithCutout(View):
    """Another view, then Cutout."""

    def __init__(self, view: View, cutout: Cutout) -> None:
        self.view, self.cutout = view, cutout
        self.learned = view.learned

    def draw(self, rows: int, shape: ImageShape, generator: torch.Generator) -> Draws:
        return {**self.view.draw(rows, shape, generator), **self.cutout.draw(rows, shape, generator)}

    def prepare(self, draws: Draws, shape: ImageShape) -> Draws:
        return self.view.prepare(draws, shape)

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        return self.cutout.apply(self.view.apply(images, draws), draws)

    def describe(self, draws: Draws, row: int) -> str:
        return f"{self.view.describe(draws, row)}; {self.cutout.describe(draws, row)}"


def for_domain(config: AugmentConfig) -> AugmentConfig:
    """The settings without augmentations that change the class: symbols are never mirrored. "auto" is natural here."""
    if config.domain != "symbols":
        return config
    return replace(config, weak=replace(config.weak, flip=False))


def build_views(
    names: Sequence[str], config: AugmentConfig, shape: ImageShape, ct: CTAugment | None = None
) -> tuple[View, ...]:
    """The views of those names, in that order. "strong" is CTAugment's or RandAugment's, as the settings say.

    Args:
        ct: owns the rates that "probe", and "strong" with the policy "ctaugment", draw from.

    Raises:
        ConfigError: there is no view of a name, it needs CTAugment and the policy is another, or images have more than
            16 channels.
    """
    if not 1 <= shape.channels <= MOST_CHANNELS:
        raise ConfigError(f"views are made of images with 1 to {MOST_CHANNELS} channels, got {shape.channels}")
    return tuple(build_view(name, for_domain(config), ct) for name in names)


def build_view(name: str, config: AugmentConfig, ct: CTAugment | None) -> View:
    """One view; see `build_views`."""
    weak = WeakCrop(config.weak) if config.weak.crop == "resized" else Weak(config.weak)
    learned = config.strong.policy == "ctaugment"
    if name == "identity":
        return Identity()
    if name == "weak":
        return weak
    if name == "contrastive":
        return Contrastive(config.contrastive, flip=config.weak.flip)
    if name not in VIEWS:
        raise ConfigError(f"'{name}' is not a view{did_you_mean(name, VIEWS)}")
    if name == "strong" and not learned:
        return RandAugment(config.strong, weak)
    if ct is None or not learned:
        raise ConfigError(
            f"the view '{name}' draws from CTAugment's rates: set augment.strong.policy to 'ctaugment', "
            f"which is now '{config.strong.policy}', in a method that owns them"
        )
    fill = FILLS["black" if config.strong.fill == "published" else config.strong.fill]
    if name == "probe":
        return ct.probe(weak, fill=fill)
    return WithCutout(ct.strong(weak, fill=fill), Cutout(config.strong.cutout))
