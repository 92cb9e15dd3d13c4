"""Label tables: CSV files with the columns `path,label`, read without guessing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tutelage.core.names import enumerated, shown
from tutelage.data.csv_rows import TableFault, read_rows

LEAVE_OUT = "leave_out"  # a column: where its cell is not empty, the image is left out
BY, MODEL = "by", "model"  # a column that says who labeled an image, and its value where nobody did
GIVEN_AS = "given as"  # a column of tables that Python code handed over: what its row was there


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        label: None where the cell is empty or the table has no label column.
        given_as: what the row was in the labels that Python code handed over; "" in other tables.
        left_out: whether the image is not to be used at all.
        where: the place in a file that has no lines, such as "task 3".
        imported: whether the row is of another tool, whose paths may have other folders in front.
        by_model: whether the label is a guess of a model, by the column `by` that labeling and its exports write.
    """

    line: int
    path: str
    label: str | None
    given_as: str = ""
    left_out: bool = False
    where: str = ""
    imported: bool = False
    by_model: bool = False

    @property
    def spot(self) -> str:
        """Where it is in the table."""
        return self.given_as or self.where or f"line {self.line}"

    def place(self, table: Path) -> str:
        """Where it is, with the name of the table."""
        return self.given_as or f"{shown(str(table))} {self.spot}"


def read_table(
    file: Path, *, needs_label: bool = True, columns: tuple[str, str] | None = None
) -> tuple[list[Row], list[str]]:
    """The rows of a table, and its faults, each naming file and line.

    The header must name `path`, or one column like `image` or `image_id` instead, and, unless `needs_label` is False,
    `label`; further columns are ignored, except for `leave_out`. See `read_rows` for what the file may hold.

    Args:
        columns: the names, in lower case, of the columns that are the path and the label in this table.
    """
    name = shown(str(file))
    if file.is_dir():
        return [], [f"{name} is a folder: expected a CSV file with the columns path,label"]
    if not file.exists():
        return [], [f"{name}: no such file: expected a CSV file with the columns path,label"]
    rows: list[Row] = []
    faults: list[str] = []
    try:
        lines = read_rows(file)
        header = _header(_renamed(next(lines, (1, None))[1], columns), needs_label)
        for line, cells in lines:
            if cells:
                row = _row(cells, header, line)
                fault = str(row) if _given(cells, header) else f"{name} {row}"
                rows.append(row) if isinstance(row, Row) else faults.append(fault)
    except TableFault as fault:
        faults.append(f"{name} {fault}")
    if not rows and not faults:
        faults.append(f"{name} has a header and no rows: expected one path and one label per line")
    return rows, faults


def _renamed(cells: list[str] | None, columns: tuple[str, str] | None) -> list[str] | None:
    if cells is None or columns is None:
        return cells
    known = dict(zip(columns, ("path", "label"), strict=True))
    return [known.get(cell.strip().lower(), f"other {cell}") for cell in cells]


def _header(cells: list[str] | None, needs_label: bool) -> dict[str, int]:
    expected = "path,label" if needs_label else "path"
    if cells is None:
        raise TableFault(f"is empty: expected a header line '{expected}'")
    names = [cell.strip().lower() for cell in cells]
    got = shown(",".join(cells))
    for separator, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(names) == 1 and separator in names[0]:
            raise TableFault(f"line 1: columns are separated by {word}: save the table with commas")
    for column in ("path", "label", LEAVE_OUT):
        if names.count(column) > 1:
            raise TableFault(f"line 1: the column '{column}' appears twice: '{got}'")
    if "path" not in names and sum(map(is_image_column, names)) == 1:
        names = ["path" if is_image_column(name) else name for name in names]
    if "path" not in names and (several := [name for name in names if is_image_column(name)]):
        raise TableFault(
            f"line 1: {enumerated([shown(name) for name in several])} may each name the images: rename the one that "
            f"does to 'path'; got '{got}'"
        )
    missing = [column for column in expected.split(",") if column not in names]
    if missing:
        raise TableFault(f"line 1: no column '{missing[0]}': expected a header '{expected}', got '{got}'")
    return {
        "columns": len(names),
        "path": names.index("path"),
        "label": names.index("label") if "label" in names else -1,
        "given as": names.index(GIVEN_AS) if GIVEN_AS in names else -1,
        BY: names.index(BY) if BY in names else -1,
        LEAVE_OUT: names.index(LEAVE_OUT) if LEAVE_OUT in names else -1,
    }


def is_image_column(name: str) -> bool:
    """Whether a column `name`, in lower case, names images where no column `path` does: `image`, `image_id`, ..."""
    return name == "image" or name.startswith("image_")


def _given(cells: list[str], header: dict[str, int]) -> str:
    """What a row was in the labels that Python code handed over; "" in other tables."""
    return cells[header["given as"]] if -1 < header["given as"] < len(cells) else ""


def _row(cells: list[str], header: dict[str, int], line: int) -> Row | str:
    if len(cells) != header["columns"]:
        return f"line {line}: expected {header['columns']} cells as in the header, got {len(cells)}"
    path, given_as = cells[header["path"]], _given(cells, header)
    spot = given_as or f"line {line}"
    if not path.strip():
        return f"{spot}: the path is empty"
    left_out = header[LEAVE_OUT] >= 0 and bool(cells[header[LEAVE_OUT]].strip())
    if left_out or header["label"] < 0 or not cells[header["label"]]:
        return Row(line, path, None, given_as, left_out)
    label = cells[header["label"]].strip()
    if not label:
        return f"{spot}: the label is only white space: leave it empty for an unlabeled image"
    return Row(line, path, label, given_as, by_model=header[BY] >= 0 and cells[header[BY]].strip() == MODEL)
