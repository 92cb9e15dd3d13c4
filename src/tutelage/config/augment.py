"""The settings of all views. This module imports nothing heavy, so that the command line starts quickly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from tutelage.config.settings import require
from tutelage.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class WeakConfig:
    """The weak view: a flip and a small translation with reflection padding (Laine & Aila 2017, FixMatch).

    The crop "resized" cuts out a part and enlarges it, as is usual for larger photos.
    """

    flip: Annotated[bool, "mirror half of the images, in contrastive views as well, unless they show symbols"] = True
    crop: Annotated[Literal["shift", "resized"], "translate the image a little, or cut out a part and enlarge it"] = (
        "shift"
    )
    translate: Annotated[
        float, "with crop=shift: largest translation as a share of the side; 0.125 is 4 of 32 pixels"
    ] = 0.125
    smallest_crop: Annotated[float, "with crop=resized: smallest share of the area that is kept"] = 0.75

    def __post_init__(self) -> None:
        require(0.0 <= self.translate <= 0.5, "augment.weak.translate", "in [0, 0.5]", self.translate)
        require(0.0 < self.smallest_crop <= 1.0, "augment.weak.smallest_crop", "in (0, 1]", self.smallest_crop)
        for name, form in (("translate", "shift"), ("smallest_crop", "resized")):
            if self.crop != form and getattr(self, name) != type(self).__dataclass_fields__[name].default:
                raise ConfigError(
                    f"augment.weak.{name} does nothing with augment.weak.crop = {self.crop!r}; it belongs to {form!r}"
                )


@dataclass(frozen=True, kw_only=True)
class StrongConfig:
    """The strong view: the weak view, then a few random operations, then Cutout (FixMatch, arXiv:2001.07685).

    The default variant has the ranges of the paper's appendix; a widely used PyTorch port reaches the published
    accuracy with them. The official code has wider ranges than its paper (contrast up to 1.72, one bit per channel).
    The toolboxes TorchSSL and USB always apply three operations: TorchSSL before the weak view, USB after it.
    """

    policy: Annotated[Literal["randaugment", "ctaugment"], "draw operations uniformly, or by learned rates"] = (
        "randaugment"
    )
    variant: Annotated[
        Literal["paper", "official", "toolbox", "usb"],
        "RandAugment as in the paper, in the authors' code, in TorchSSL (toolbox) or in USB",
    ] = "paper"
    operations: Annotated[int | None, "operations per image; by default 2, or 3 in toolbox and usb"] = None
    probability: Annotated[
        float | None, "probability that an operation is applied; by default 0.5, or 1 in toolbox and usb"
    ] = None
    cutout: Annotated[float, "side of the erased square as a share of the shorter side (toolbox: the largest)"] = 0.5
    fill: Annotated[
        Literal["published", "black", "gray", "reflect"], "fill of the gaps that rotate, shear and translate leave"
    ] = "published"

    def __post_init__(self) -> None:
        require(
            self.operations is None or 0 <= self.operations <= 16,
            "augment.strong.operations",
            "in [0, 16]",
            self.operations,
        )
        require(
            self.probability is None or 0.0 <= self.probability <= 1.0,
            "augment.strong.probability",
            "in [0, 1]",
            self.probability,
        )
        require(0.0 <= self.cutout <= 1.0, "augment.strong.cutout", "in [0, 1]", self.cutout)


@dataclass(frozen=True, kw_only=True)
class CTAugmentConfig:
    """CTAugment, used where `strong.policy` is "ctaugment" (ReMixMatch, arXiv:1911.09785; constants of FixMatch)."""

    depth: Annotated[int, "operations per image"] = 2
    decay: Annotated[float, "decay of the rate of a bin at each probe that uses it"] = 0.99
    threshold: Annotated[float, "bins with a rate below this share of the best rate are not drawn"] = 0.80
    translate_no_op: Annotated[bool, "translate by up to 0.3 pixels, as in the original code, which moves nothing"] = (
        False
    )

    def __post_init__(self) -> None:
        require(1 <= self.depth <= 16, "augment.ct.depth", "in [1, 16]", self.depth)
        require(0.0 <= self.decay <= 1.0, "augment.ct.decay", "in [0, 1]", self.decay)
        require(0.0 <= self.threshold <= 1.0, "augment.ct.threshold", "in [0, 1]", self.threshold)


@dataclass(frozen=True, kw_only=True)
class ContrastiveConfig:
    """The views of MoCo: crop, color jitter, grayscale, blur, flip."""

    recipe: Annotated[
        Literal["v2", "v1", "cifar"],
        "augmentations of MoCo v2, of MoCo v1, or of the authors' demonstration on CIFAR-10",
    ] = "v2"
    smallest_crop: Annotated[
        float | None, "smallest share of the area that is kept; by default 0.2, or 0.08 in the recipe cifar"
    ] = None

    def __post_init__(self) -> None:
        require(
            self.smallest_crop is None or 0.0 < self.smallest_crop <= 1.0,
            "augment.contrastive.smallest_crop",
            "in (0, 1]",
            self.smallest_crop,
        )


@dataclass(frozen=True, kw_only=True)
class FeatureViewConfig:
    """The views of the cached features of a frozen network, which take the place of all views of images."""

    weak_dropout: Annotated[float, "weak view: share of the coordinates that are set to zero"] = 0.0
    strong_dropout: Annotated[float, "strong view: share of the coordinates that are set to zero"] = 0.5

    def __post_init__(self) -> None:
        for name in ("weak_dropout", "strong_dropout"):
            require(0.0 <= getattr(self, name) < 1.0, f"augment.features.{name}", "in [0, 1)", getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """All views."""

    domain: Annotated[
        Literal["auto", "natural", "symbols"],
        "what the images show: symbols (digits, letters, signs) are never mirrored; auto decides by the data source",
    ] = "auto"
    weak: WeakConfig = field(default_factory=WeakConfig)
    strong: StrongConfig = field(default_factory=StrongConfig)
    ct: CTAugmentConfig = field(default_factory=CTAugmentConfig)
    contrastive: ContrastiveConfig = field(default_factory=ContrastiveConfig)
    features: FeatureViewConfig = field(default_factory=FeatureViewConfig)
