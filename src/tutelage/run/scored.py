"""What a run made of each item that it was scored on, for comparisons of two runs item by item."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutelage.core.errors import RunError
from tutelage.core.names import shown
from tutelage.core.regular import read_regular
from tutelage.core.third_party import fault_of
from tutelage.run.own_content import SCORED, refuse_damaged
from tutelage.run.run_arrays import write_arrays

FILE = SCORED


def of_network(name: str, network: str) -> str:
    """The name of an array of a network that is not the evaluated one; that one's arrays have plain names."""
    return f"{network}_{name}" if network else name


def write_scored(run: Path, parts: Mapping[str, Mapping[str, NDArray]]) -> None:
    """Write what each network made of each scored item, by part, into the run.

    Of images, these are the given and the predicted class.
    """
    arrays = {f"{part}_{name}": value for part, items in parts.items() for name, value in items.items()}
    write_arrays(run / FILE, arrays)


def read_scored(run: Path, part: str, *names: str) -> tuple[NDArray, ...]:
    """Arrays (N,) with a row for each item of a part: `label` and `predicted` of images, `case` and `dice` of cases.

    They are of the evaluated network; `of_network` gives the names of those of the other one.

    Raises:
        RunError: they are not there, or damaged.
    """
    wanted = [f"{part}_{name}" for name in names]
    try:
        content = read_regular(run / FILE)
    except OSError as error:
        raise RunError(f"cannot read the predictions in {run / FILE}: {error.strerror}") from None
    refuse_damaged(run, FILE, content)
    with fault_of(run / FILE, "file of predictions", RunError):
        file = np.load(io.BytesIO(content), allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise RunError(f"{run / FILE} is damaged: expected a .npz file with {', '.join(wanted)}")
        if missing := [name for name in wanted if name not in file.files]:
            got = ", ".join(map(shown, file.files)) or "nothing"
            raise RunError(f"{run / FILE} is damaged: expected an array {missing[0]}, got {got}")
        return tuple(file[name] for name in wanted)
