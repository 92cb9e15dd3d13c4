"""Encoders of MoCo, which have no classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from tutelage.commands.other_code.base import Family, Imported, ImportOptions
from tutelage.commands.other_code.images import image_facts, levels_of, refuse_for_scans
from tutelage.core.errors import ConfigError
from tutelage.networks.moco_weights import ENCODERS, is_moco, moco_preparation, translate_moco
from tutelage.networks.weights_file import ENTRIES


class MoCoEncoders(Family):
    """See `Family`."""

    origins: ClassVar[tuple[str, ...]] = ("moco",)
    which: ClassVar[tuple[str, ...]] = tuple(ENCODERS)

    def recognizes(self, weights: Mapping[str, Tensor]) -> bool:
        """See `Family`."""
        return is_moco(weights)

    def translate(self, weights: Mapping[str, Tensor], given: ImportOptions, file: Path, out: Path) -> Imported:
        """See `Family`."""
        _refuse_foreign(given, file)
        ported = translate_moco(weights, "query" if given.which == "auto" else given.which, str(file))
        prepared = moco_preparation(*levels_of(given), given.image_size, channels=ported.channels)
        return Imported(
            ported=ported,
            origin="moco",
            classes=(),
            facts=image_facts(prepared),
            title=ported.network.name,
            left_out={f"{name.partition('.')[0]}.*": reason for name, reason in ported.left_out.items()},
            notes=(
                prepared.note,
                "it has no classes; training adds a head for yours",
                f"use {out} with tutelage probe and embed; to start training from it: --init-from {out}",
            ),
        )


def _refuse_foreign(given: ImportOptions, file: Path) -> None:
    """Reject options that do not apply to an encoder without classes."""
    if given.form not in ("auto", "moco"):
        raise ConfigError(f"--format {given.form}: the encoder_q in {file} comes from moco")
    if given.which in ENTRIES:
        raise ConfigError(f"--which {given.which}: the encoders in {file} are {' and '.join(ENCODERS)}")
    if given.trained_on != "auto":
        raise ConfigError(f"--trained-on {given.trained_on} is for classifiers; for an encoder give --mean and --std")
    if given.classes is not None:
        raise ConfigError(f"--classes {given.classes}: the encoder in {file} has no classes to name")
    refuse_for_scans(given, f"{file} contains an encoder of images")
