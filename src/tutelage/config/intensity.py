"""The settings of intensity augmentation of scans. Like all settings, they import nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tutelage.config.settings import require


@dataclass(frozen=True, kw_only=True)
class IntensityConfig:
    """Intensity augmentation of the weak view of a patch, after the spatial transform that all views share.

    Amounts are in standard deviations, since intensities are standardized; 0 changes nothing.
    """

    noise: Annotated[float, "standard deviation of Gaussian noise; 0 adds none"] = 0.1
    noise_limit: Annotated[float, "the noise is clamped to plus and minus this, 0.2 in UA-MT; 0 does not clamp"] = 0.2
    shift: Annotated[float, "largest shift of the intensities of a patch"] = 0.1
    scale: Annotated[float, "largest change of the contrast, as a share: 0.1 is 0.9 to 1.1"] = 0.1
    gamma: Annotated[float, "largest change of the exponent on a log scale: 0.3 is exp(-0.3) to exp(0.3)"] = 0.0
    blur: Annotated[float, "largest sigma of a Gaussian blur, in voxels"] = 0.0
    blur_probability: Annotated[float, "probability that a patch is blurred"] = 0.5
    first_clean: Annotated[bool, "leave the first view of a patch unchanged (the student's, as in LASeg)"] = False

    def __post_init__(self) -> None:
        for name in ("noise", "noise_limit", "shift", "gamma"):
            value = getattr(self, name)
            require(0.0 <= value <= 10.0, f"{name} of scan views", "in [0, 10]", value)
        require(0.0 <= self.scale < 1.0, "scale of scan views", "in [0, 1)", self.scale)
        require(0.0 <= self.blur <= 5.0, "blur of scan views", "in [0, 5]", self.blur)
        require(
            0.0 <= self.blur_probability <= 1.0, "blur_probability of scan views", "in [0, 1]", self.blur_probability
        )


@dataclass(frozen=True, kw_only=True)
class StrongIntensityConfig(IntensityConfig):
    """Intensity augmentation of the strong view: the same with larger defaults."""

    noise: Annotated[float, "standard deviation of Gaussian noise; 0 adds none"] = 0.2
    noise_limit: Annotated[float, "the noise is clamped to plus and minus this; 0 does not clamp"] = 0.4
    shift: Annotated[float, "largest shift of the intensities of a patch"] = 0.3
    scale: Annotated[float, "largest change of the contrast, as a share: 0.1 is 0.9 to 1.1"] = 0.3
    gamma: Annotated[float, "largest change of the exponent on a log scale: 0.3 is exp(-0.3) to exp(0.3)"] = 0.3
    blur: Annotated[float, "largest sigma of a Gaussian blur, in voxels"] = 1.0
