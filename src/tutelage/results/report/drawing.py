"""The style of all plots, and turning figures into what a report needs.

Inside a page, the colors of a plot are CSS variables, so that it follows the light or dark theme. As a file, it has the
light colors on white.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tutelage.core.names import shown
from tutelage.results.report.blocks import Plot

INK, SOFT, RULE = "#1f2430", "#667085", "#dfe3ea"
SERIES = ("#2f6fde", "#c2630e", "#23875b", "#8250c4", "#c43d5c", "#5f7d1f", "#0e8a9a", "#8a6d3b")
_VARIABLES = {INK: "--ink", SOFT: "--soft", RULE: "--rule"} | {c: f"--series-{k}" for k, c in enumerate(SERIES, 1)}
_COLOR = re.compile(r"((?:fill|stroke): )(#[0-9a-f]{6})\b")
_WIDTH, _HEIGHT = 4.6, 3.0  # inches: about the width of a phone, so that text stays readable there
_LONGEST = 22  # characters of a name in a plot

_STYLE: Any = {
    "axes.edgecolor": RULE,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": SOFT,
    "axes.labelsize": 9,
    "axes.prop_cycle": cycler(color=SERIES),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.unicode_minus": False,
    "figure.constrained_layout.use": True,
    "font.family": "sans-serif",
    "font.size": 9,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.7,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,  # names come from outside, and may hold dollar signs
    "xtick.color": RULE,
    "xtick.labelcolor": SOFT,
    "xtick.labelsize": 9,
    "ytick.color": RULE,
    "ytick.labelcolor": SOFT,
    "ytick.labelsize": 9,
}


@contextmanager
def style(name: str) -> Iterator[None]:
    """Figures drawn inside have the style of the report; ids in their SVG depend on `name` only."""
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a browser finds another font
        yield


def new_figure(width: float = _WIDTH, height: float = _HEIGHT) -> Figure:
    """An empty figure outside of pyplot's global state; sizes are in inches."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def finished(figure: Figure, name: str, title: str, caption: str, *, wide: bool = False) -> Plot:
    """The plot of a figure, drawn under `style(name)`."""
    svg = io.BytesIO()
    figure.savefig(svg, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))

    def png() -> bytes:
        stream = io.BytesIO()
        with style(name):
            figure.savefig(stream, format="png", dpi=160, metadata={"Software": None})
        return stream.getvalue()

    return Plot(name, title, caption, _inline(svg.getvalue().decode()), svg.getvalue(), png, wide)


def _inline(svg: str) -> str:
    """The SVG for a page: without prolog and background, and with CSS variables as colors."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r'(<g id="patch_1">.*?</g>)', "", body, count=1, flags=re.DOTALL)
    body = re.sub(r' (?:width|height)="[\d.]+pt"', "", body, count=2)
    body = re.sub(r'<g id="[^"]*">', "<g>", body)  # ids are unused, and would clash between plots
    return _COLOR.sub(lambda found: found[1] + _variable(found[2]), body)


def _variable(color: str) -> str:
    return f"var({_VARIABLES[color]})" if color in _VARIABLES else color


def as_percent(value: float, place: object = None) -> str:
    """A tick label for an axis of shares, as a matplotlib formatter."""
    return f"{round(100 * value, 2):g}%"


def short(name: str, longest: int = _LONGEST) -> str:
    """A name for a plot: printable, and truncated if it is long."""
    name = shown(name)
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
