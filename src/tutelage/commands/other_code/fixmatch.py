"""Wide residual networks of FixMatch ports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from tutelage.commands.other_code.base import Family, Imported, ImportOptions, by_layer, read_class_names, said_classes
from tutelage.commands.other_code.images import image_facts, levels_of, refuse_for_scans
from tutelage.config.network_name import NetworkName
from tutelage.core.errors import ConfigError
from tutelage.networks.moco_weights import ENCODERS
from tutelage.networks.port_data import preparation
from tutelage.networks.ports import is_port, recognize, translate


class FixMatchPorts(Family):
    """See `Family`."""

    origins: ClassVar[tuple[str, ...]] = ("fixmatch-pytorch", "torchssl", "usb")

    def recognizes(self, weights: Mapping[str, Tensor]) -> bool:
        """See `Family`."""
        return is_port(weights)

    def translate(self, weights: Mapping[str, Tensor], given: ImportOptions, file: Path, out: Path) -> Imported:
        """See `Family`."""
        if given.which in ENCODERS:
            raise ConfigError(f"--which {given.which} is for files of MoCo, and {file} contains no encoder_q")
        port = recognize(weights, str(file))
        refuse_for_scans(given, f"{file} contains a classifier")
        if given.form not in ("auto", port):
            missing = "no encoder_q in the file" if given.form == "moco" else "no V-Net in the file"
            reason = f"the biases in {file} are those of {port}" if given.form in self.origins else missing
            raise ConfigError(f"--format {given.form}: {reason}")
        ported = translate(weights, port, str(file))
        mean, std = levels_of(given)
        prepared = preparation(
            port,
            given.trained_on,
            num_classes=ported.num_classes,
            channels=ported.channels,
            groups=NetworkName.parse(ported.network.name).wide_shape[0],
            mean=mean,
            std=std,
            image_size=given.image_size,
        )
        names = prepared.classes if given.classes is None else read_class_names(given.classes, ported.num_classes)
        use = (
            f"{out} can be used like any run; to start training from it: "
            f"--network {ported.network.name} --network.wiring {port} --init-from {out}"
        )
        return Imported(
            ported=ported,
            origin=port,
            classes=names,
            facts=image_facts(prepared),
            title=f"{ported.network.name}, wired as {port}",
            left_out=by_layer(ported.left_out),
            notes=(prepared.note, said_classes(names), use),
        )
