"""Whether the weights of an exported model can be those of its network, before memory is taken for the network."""

from __future__ import annotations

import torch

from tutelage.core.errors import CheckpointError
from tutelage.networks.build import build_network
from tutelage.run.exported import KEY, weights_file
from tutelage.run.run_record import RunRecord

_SPARE = 2**22  # bytes: of heads, which are not always part of the file


def refuse_larger(record: RunRecord) -> None:
    """Check an exported model; runs, which were trained here, pass.

    Its settings may name a network of billions of weights, in a file of a few bytes.

    Raises:
        CheckpointError: the network has more weights than the file.
        ConfigError: there is no such network.
    """
    file = weights_file(record.path)
    if KEY not in record.config or file is None:
        return
    needed, held = _bytes(record), file.stat().st_size
    if needed > held + _SPARE:
        raise CheckpointError(
            f"{file} does not fit its network {record.cfg.network.name}: it has {held / 1e6:,.1f} MB, and the network "
            f"{needed / 1e6:,.1f} MB"
        )


def _bytes(record: RunRecord) -> int:
    """Of all weights of the network, or of the networks that are joined; 0 if it cannot be built without them."""
    cfg, facts = record.cfg, record.data
    frozen = cfg.frozen
    channels, size = 3 if frozen else int(facts["channels"]), record.kind.size_of(facts)
    classes, total = max(1, len(record.classes)), 0
    for part in cfg.network.parts if frozen else (cfg.network,):
        try:
            with torch.device("meta"):  # shapes alone
                network = build_network(part, num_classes=classes, channels=channels, image_size=size, published=False)
        except (RuntimeError, NotImplementedError):  # MONAI's read values of their tensors
            return 0
        total += sum(value.numel() * value.element_size() for value in network.state_dict().values())
    return total
