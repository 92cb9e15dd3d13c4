"""The command embed: writes the features of images to a file."""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path

from rich.console import Console

from tutelage.commands.all_processes import all_processes
from tutelage.core.distributed import rank
from tutelage.core.errors import DataError, PartlyFailed
from tutelage.core.files import refuse_file
from tutelage.inference.images.embed import SUFFIXES, embedded, list_to_embed, writer
from tutelage.inference.images.encoder import Encoder
from tutelage.inference.images.kept_blocks import KeptBlocks
from tutelage.results.report.embedding_map import embedding_page
from tutelage.results.report.write import ENDINGS, write_page
from tutelage.run.reads import read_of_run

_MOST_SHOWN = 5  # images that cannot be read


def embed_run(
    run: Path,
    data: str,
    *,
    out: Path,
    labels: str | None = None,
    network: str = "auto",
    device: str = "auto",
    workers: int = 2,
    report: Path | None = None,
    overwrite: bool = False,
    resume: bool = False,
    console: Console,
) -> None:
    """Write the features of every image of `data` to `out` (.parquet, .npz or .csv), and a map of them to `report`.

    Args:
        resume: go on with a file that an interrupted command left incomplete.

    Raises:
        TutelageError: the run, the data or a file is invalid.
        PartlyFailed: some images cannot be read; all others are written.
    """
    for file, endings in ((out, SUFFIXES), (report, ENDINGS["html"])):
        replace = overwrite or (resume and file == out)
        refuse_file(file, overwrite=replace, reads=(data, labels, *read_of_run(run)), endings=endings)
    write, kept = writer(out), KeptBlocks(out, resume=resume, overwrite=overwrite)
    if resume and out.exists() and not kept.exists():
        console.print(f"{out} is complete already", markup=False)
        return
    with all_processes(device, console) as (own, screen):
        items = list_to_embed(data, labels, lambda line: screen.print(line, markup=False))
        encoder = Encoder.load(run, network=network, device=own)
        unreadable: list[str] = []
        count = width = 0
        blocks = encoder.image_pass(workers=workers).kept(items, kept, lambda line: screen.print(line, markup=False))
        if rank():
            list(blocks)
            return
        found = embedded(items, blocks, unreadable=unreadable)
        first = list(islice(found, 1))  # many images pass before the first one is given
        with write:
            for block in chain(first, found):
                write.add(block)
                count, width = count + len(block.items), block.features.shape[1]
            if not count:
                raise DataError(unreadable)
    kept.remove()
    said = f", {len(unreadable)} skipped because they cannot be read" if unreadable else ""
    console.print(f"{count} images, {width} features each{said}: {out}", markup=False)
    if report is not None:
        write_page(embedding_page(run, data, encoder, items), report)
        console.print(f"the report is {report}", markup=False)
    if unreadable:
        reasons = "; ".join(unreadable[:_MOST_SHOWN]) + ("; ..." if len(unreadable) > _MOST_SHOWN else "")
        raise PartlyFailed(f"{len(unreadable)} of {len(items)} images are not in {out}: {reasons}")
