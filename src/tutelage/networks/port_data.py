"""How the code of the FixMatch ports prepares images: mean, standard deviation and size, by port and data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tutelage.config.network import WiringName
from tutelage.config.settings import require
from tutelage.core.errors import ConfigError, maybe

Levels = tuple[tuple[float, ...], tuple[float, ...]]  # mean and standard deviation per channel, on a scale of 0 to 255


def _of_shares(mean: tuple[float, ...], std: tuple[float, ...]) -> Levels:
    """Levels from values on a scale of 0 to 1, rounded to four decimals."""
    return tuple(round(255.0 * m, 4) for m in mean), tuple(round(255.0 * s, 4) for s in std)


_CIFAR100: Levels = ((129.3, 124.1, 112.4), (68.2, 65.4, 70.4))
_SVHN = _of_shares((0.4380, 0.4440, 0.4730), (0.1751, 0.1771, 0.1744))
_STL10: Levels = ((112.4, 109.1, 98.6), (68.4, 66.6, 68.5))

LEVELS: Mapping[WiringName, Mapping[str, Levels]] = MappingProxyType(
    {
        "fixmatch-pytorch": {
            "cifar10": _of_shares((0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)),
            "cifar100": _of_shares((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
        },
        "torchssl": {
            "cifar10": ((125.3, 123.0, 113.9), (63.0, 62.1, 66.7)),
            "cifar100": _CIFAR100,
            "svhn": _SVHN,
            "stl10": _STL10,
        },
        "usb": {
            "cifar10": _of_shares((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),  # ImageNet's
            "cifar100": _CIFAR100,
            "svhn": _SVHN,
            "stl10": _STL10,
        },
    }
)
_DIGITS = tuple(str(digit) for digit in range(10))
CLASSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        "svhn": _DIGITS,
        "stl10": ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
    }
)
SIZES: Mapping[str, int] = MappingProxyType({"cifar10": 32, "cifar100": 32, "svhn": 32, "stl10": 96})


@dataclass(frozen=True)
class Preparation:
    """The image preparation that a network expects, its class names (numbers if unknown), and an explanation."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int
    classes: tuple[str, ...]
    note: str


def preparation(
    port: WiringName,
    trained_on: str,
    *,
    num_classes: int,
    channels: int,
    groups: int,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    image_size: int | None,
) -> Preparation:
    """How images were prepared when the network was trained.

    Args:
        trained_on: "cifar10", "cifar100", "svhn", "stl10", or "auto" to infer it from the number of classes and groups.
        mean, std: per channel, on a scale of 0 to 255; they override those of the data set.
        image_size: overrides that of the data set.

    Raises:
        ConfigError: the preparation is neither known nor given.
    """
    if trained_on not in ("auto", *SIZES):
        known = ("auto", *SIZES)
        raise ConfigError(
            f"--trained-on must be one of {', '.join(known)}, got {trained_on!r}{maybe(trained_on, known)}"
        )
    data = trained_on
    if data == "auto":
        data = {10: "stl10" if groups == 4 else "cifar10", 100: "cifar100"}.get(num_classes, "")
    levels = (mean, std) if mean is not None and std is not None else LEVELS[port].get(data)
    require_both(mean, std)
    if levels is None or levels[0] is None or levels[1] is None:
        raise ConfigError(
            f"it is not known how {port} standardizes images of {data or f'data with {num_classes} classes'}: give "
            "--mean and --std, by which its code standardizes images in [0, 1], e.g. --mean 0.49,0.48,0.45"
        )
    size = image_size or SIZES.get(data, 32)
    require_usable(levels[0], levels[1], size, channels)
    names = CLASSES.get(data, ())
    classes = names if len(names) == num_classes else tuple(map(str, range(num_classes)))
    why = "" if trained_on != "auto" else f", inferred from its {num_classes} classes; --trained-on overrides this"
    note = f"images of {size} pixels, standardized as in {port} for {data}{why}"
    if mean is not None:
        note = f"images of {size} pixels, standardized with the given mean and std"
    return Preparation(levels[0], levels[1], size, classes, note)


def require_both(mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> None:
    """Raise `ConfigError` if only one of the two is given."""
    if (mean is None) != (std is None):
        raise ConfigError("--mean and --std go together: give both or neither")


def require_usable(mean: tuple[float, ...], std: tuple[float, ...], size: int, channels: int) -> None:
    """Raise `ConfigError` unless there is one level from 0 to 255 per channel and the image size is plausible."""
    for flag, values in (("--mean", mean), ("--std", std)):
        require(len(values) == channels, flag, f"{channels} numbers, one per channel", values)
        require(all(0.0 <= v <= 255.0 for v in values), flag, "in [0, 1]", tuple(v / 255.0 for v in values))
    require(all(v > 0.0 for v in std), "--std", "above 0", std)
    require(4 <= size <= 4096, "--image-size", "in [4, 4096]", size)
