"""The command embed: writes the features of images to a file."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from tutelage.core.errors import DataError, PartlyFailed
from tutelage.core.files import refuse_file
from tutelage.inference.countdown import Countdown
from tutelage.inference.images.embed import SUFFIXES, embed_items, list_to_embed, writer
from tutelage.inference.images.encoder import Encoder
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
    console: Console,
) -> None:
    """Write the features of every image of `data` to `out` (.parquet, .npz or .csv), and a map of them to `report`.

    Raises:
        TutelageError: the run, the data or a file is invalid.
        PartlyFailed: some images cannot be read; all others are written.
    """
    for file, endings in ((out, SUFFIXES), (report, ENDINGS["html"])):
        refuse_file(file, overwrite=overwrite, reads=(data, labels, *read_of_run(run)), endings=endings)
    write = writer(out)
    items = list_to_embed(data, labels, lambda line: console.print(line, markup=False))
    encoder = Encoder.load(run, network=network, device=device)
    unreadable: list[str] = []
    count = width = 0
    progress = Countdown(len(items), "images", lambda line: console.print(line, markup=False))
    with write:
        for block in embed_items(encoder, items, workers=workers, unreadable=unreadable):
            write.add(block)
            count, width = count + len(block.items), block.features.shape[1]
            progress.done(count + len(unreadable))
        if not count:
            raise DataError(unreadable)
    said = f", {len(unreadable)} skipped because they cannot be read" if unreadable else ""
    console.print(f"{count} images, {width} features each{said}: {out}", markup=False)
    if report is not None:
        write_page(embedding_page(run, data, encoder, items), report)
        console.print(f"the report is {report}", markup=False)
    if unreadable:
        reasons = "; ".join(unreadable[:_MOST_SHOWN]) + ("; ..." if len(unreadable) > _MOST_SHOWN else "")
        raise PartlyFailed(f"{len(unreadable)} of {len(items)} images are not in {out}: {reasons}")
