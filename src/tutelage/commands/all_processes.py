"""Commands that several processes of torchrun carry out together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from tutelage.core.console import screen
from tutelage.core.devices import choose_device
from tutelage.core.distributed import process_group, rank
from tutelage.core.errors import ConfigError


@contextmanager
def all_processes(device: str, console: Console, shared: bool = True) -> Iterator[tuple[str, Console]]:
    """Joins the processes; gives the device of this one, and a console that is silent in all but the first.

    Args:
        shared: whether several processes can share the work.

    Raises:
        ConfigError: they cannot, and there are several.
    """
    if not shared and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("scans are predicted by one process: start this command without torchrun")
    with process_group(choose_device(device)) as own:
        yield str(own), console if rank() == 0 else screen(quiet=True)
