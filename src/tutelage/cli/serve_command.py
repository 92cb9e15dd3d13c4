"""The command serve, which answers with the classes of images. It parses its arguments and calls one function."""

from __future__ import annotations

from pathlib import Path

from tutelage import commands
from tutelage.cli.application import Device, Integer, WhichNetwork, Workers, app, threads
from tutelage.core.console import screen


@app.command(
    sort_key=5.7,
    usage="Usage: tutelage serve RUN [OPTIONS]",
    help_epilogue="Example: tutelage serve runs/a --port 8766",
)
def serve(
    run: str,
    /,
    *,
    port: Integer | None = None,
    network: WhichNetwork = "auto",
    device: Device = "auto",
    workers: Workers = 2,
    no_browser: bool = False,
) -> None:
    """Classify images on a page in the browser, and for programs on this machine. Nothing that is sent is stored.

    Parameters
    ----------
    run
        Run folder, or exported model: a folder, a .safetensors file, or a name on the Hugging Face Hub.
    port
        Port of the page and the endpoint. [default: 8766, or one that is free]
    no_browser
        Do not open the page in a browser.
    """
    cfg = commands.ServeConfig(
        run=Path(run), port=port, network=network, device=device, workers=threads(workers), browser=not no_browser
    )
    commands.serve_model(cfg, console=screen())
