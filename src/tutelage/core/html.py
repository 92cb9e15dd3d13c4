"""HTML for notebooks: small tables whose every cell is escaped, since names of files and classes come from outside."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from tutelage.core.names import shown


def cell(value: object) -> Markup:
    """A value as it is shown: escaped, on one line, unless it is HTML that was made here."""
    return value if isinstance(value, Markup) else Markup.escape(shown(str(value)))


def paragraph(text: object) -> Markup:
    """A sentence of its own."""
    return Markup("<p style='margin:.3em 0'>{}</p>").format(cell(text))


def html_table(headings: Sequence[object], rows: Iterable[Sequence[object]], caption: object = "") -> Markup:
    """A table; without headings, the first cell of each row names it."""
    style = Markup(" style='text-align:left'")
    lines = [Markup("<table>")]
    if caption:
        lines.append(Markup("<caption{}>{}</caption>").format(style, cell(caption)))
    if headings:
        head = Markup("").join(Markup("<th{}>{}</th>").format(style, cell(heading)) for heading in headings)
        lines.append(Markup("<thead><tr>{}</tr></thead>").format(head))
    lines.append(Markup("<tbody>"))
    for first, *rest in rows:
        tag = Markup("td" if headings else "th")
        others = Markup("").join(Markup("<td{}>{}</td>").format(style, cell(value)) for value in rest)
        lines.append(Markup("<tr><{}{}>{}</{}>{}</tr>").format(tag, style, cell(first), tag, others))
    return Markup("").join([*lines, Markup("</tbody></table>")])


def picture(png: bytes, alt: str) -> Markup:
    """An image that is part of the page."""
    data = base64.b64encode(png).decode("ascii")
    return Markup("<img src='data:image/png;base64,{}' alt='{}'>").format(data, cell(alt))
