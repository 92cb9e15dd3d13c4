"""The command probe: measures the features of a run, with a table on the screen and in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from tutelage.core.files import refuse_file, write_atomically, write_json
from tutelage.inference.images.probe.probe import ProbeConfig, parse_counts, probe
from tutelage.inference.images.probe.table import as_markdown, print_table
from tutelage.run.reads import read_of_run

__all__ = ["ProbeConfig", "parse_counts", "probe_run"]


def probe_run(
    run: Path,
    data: str,
    cfg: ProbeConfig,
    *,
    labels: str | None = None,
    test: str | None = None,
    network: str = "auto",
    device: str = "auto",
    workers: int = 2,
    out: Path | None = None,
    overwrite: bool = False,
    console: Console,
) -> dict[str, Any]:
    """Probe the encoder of a run on labeled images, print a table, and write it to `out` (.json or .md).

    Raises:
        TutelageError: the run, the data or the file is invalid.
    """
    refuse_file(out, overwrite=overwrite, reads=(data, labels, test, *read_of_run(run)), endings=(".json", ".md"))
    result = probe(
        run,
        data,
        cfg,
        labels=labels,
        test=test,
        network=network,
        device=device,
        workers=workers,
        tell=console.print,
    )
    for text in result["notes"]:
        console.print(f"- {text}", markup=False)
    print_table(result, console)
    if out is not None:
        if out.suffix.lower() == ".md":
            write_atomically(out, as_markdown(result).encode("utf-8", errors="backslashreplace"))
        else:
            write_json(out, result)
        console.print(f"the numbers are in {out}", markup=False)
    return result
