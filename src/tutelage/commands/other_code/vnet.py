"""V-Nets of the UA-MT family, which segment scans."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from tutelage.commands.other_code.base import (
    Family,
    Imported,
    ImportOptions,
    by_layer,
    read_class_names,
    refuse,
    said_classes,
)
from tutelage.config import options
from tutelage.config.scan import ScanConfig
from tutelage.core.errors import ConfigError
from tutelage.data.kinds import SCANS
from tutelage.data.scans.inventory import names_of_values
from tutelage.networks.moco_weights import ENCODERS
from tutelage.networks.ports import Ported
from tutelage.networks.vnet_weights import FORMS, is_vnet, size_fault, spatial_dims, translate_vnet, vnet_form

PATCH_SIZE = (112, 112, 80)  # of UA-MT and LASeg on the left atrium
_FOR_IMAGES = ("--mean", "--std", "--image-size", "--trained-on")


class VNets(Family):
    """See `Family`."""

    origins: ClassVar[tuple[str, ...]] = FORMS

    def recognizes(self, weights: Mapping[str, Tensor]) -> bool:
        """See `Family`."""
        return is_vnet(weights)

    def translate(self, weights: Mapping[str, Tensor], given: ImportOptions, file: Path, out: Path) -> Imported:
        """See `Family`."""
        contents = f"{file} contains a V-Net, which segments scans"
        refuse(given, _FOR_IMAGES, "networks on images", contents)
        if given.which in ENCODERS:
            raise ConfigError(f"--which {given.which} is for files of MoCo, and {contents}")
        form = vnet_form(weights)
        if given.form not in ("auto", form):
            raise ConfigError(f"--format {given.form}: the V-Net in {file} has the strides of {form}")
        ported = translate_vnet(weights, str(file))
        values = range(ported.num_classes)
        names = names_of_values(values) if given.classes is None else read_class_names(given.classes, len(values))
        patch, scan = _patch_size(ported, given), _scan(given)
        return Imported(
            ported=ported,
            origin=form,
            classes=tuple(names),
            facts={"kind": SCANS.name, "patch_size": list(patch), "label_values": list(values)},
            title=f"{ported.network.name}, width {ported.network.width}, as in {form}",
            left_out=by_layer(ported.left_out),
            notes=(_said_patch(patch, given), _said_preparation(scan), said_classes(tuple(names)), _use(out, scan)),
            settings={"scan": {**scan, "patch_size": list(patch)}},
        )


def _patch_size(ported: Ported, given: ImportOptions) -> tuple[int, ...]:
    """The given patch size along each axis, or UA-MT's, which the network must accept."""
    axes = spatial_dims(ported)
    size: tuple[int, ...] = PATCH_SIZE[:axes]
    if given.patch_size is not None:
        size = options.coerce(given.patch_size, tuple[int, ...], "--patch-size")
        size = size * axes if len(size) == 1 else size
    if len(size) != axes or min(size) < 1:
        raise ConfigError(f"--patch-size must be {axes} numbers of voxels, or one for all axes, got {given.patch_size}")
    if fault := size_fault(ported, size):
        raise ConfigError(f"--patch-size {given.patch_size}: {ported.network.name} {fault}")
    return size


def _scan(given: ImportOptions) -> dict[str, Any]:
    """The settings of the preparation of scans: those of all our recipes, unless given otherwise."""
    return options.typed(ScanConfig, {"intensity": given.intensity or "zscore"}, "--")


def _said_patch(patch: tuple[int, ...], given: ImportOptions) -> str:
    how = "as given" if given.patch_size is not None else "assumed, as in UA-MT; --patch-size changes this"
    return f"patches of {' x '.join(map(str, patch))} voxels, {how}"


def _said_preparation(scan: Mapping[str, Any]) -> str:
    """What is assumed about the scans, since weights say nothing about them."""
    how = f"are standardized one by one, each as a whole (scan.intensity {scan['intensity']})"
    advice = "; UA-MT's .h5 files are standardized already and need --intensity none"
    if scan["intensity"] == "none":
        how, advice = "are taken to be standardized already (scan.intensity none)", ""
    return (
        f"scans {how}, and are neither resampled nor cropped: this is assumed, since the file does not say how its "
        f"training scans were prepared{advice}"
    )


def _use(out: Path, scan: Mapping[str, Any]) -> str:
    own = "" if scan["intensity"] == "zscore" else f" --scan.intensity {scan['intensity']}"
    return f"{out} can be used like any run on scans; to start training from it: --init-from {out}{own}"
