"""Labels from an export of CVAT: "CVAT for images 1.1", with one tag for each image."""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

from tutelage.core.names import shown
from tutelage.core.regular import open_regular
from tutelage.data.images.tables import Row

_CHUNK = 1 << 20  # bytes
_LARGEST = 1 << 29  # bytes of a file
_DEEPEST = 32  # elements within each other
_SHAPES = ("box", "polygon", "polyline", "points", "mask", "cuboid", "ellipse", "skeleton")


class TagFault(Exception):
    """Raised where a file cannot be read further."""


def read_cvat(file: Path) -> tuple[list[Row], list[str]]:
    """The rows of an export, and its faults, each naming file, line and image.

    Tags of the source `auto` are those of a model, and no labels. The file is read in pieces; one with a document type
    is refused, so that there are no entities.
    """
    name = shown(str(file))
    reader = _Reader()
    try:
        with open_regular(file) as stream:
            if file.stat().st_size > _LARGEST:
                return [], [f"{name} has more than {_LARGEST >> 20} MiB: expected an export of CVAT"]
            while piece := stream.read(_CHUNK):
                reader.parser.Parse(piece, False)
            reader.parser.Parse(b"", True)
    except OSError as error:
        return [], [f"{name} cannot be read: {error.strerror}"]
    except expat.ExpatError as error:
        return [], [f"{name} line {error.lineno}: is no XML: {expat.ErrorString(error.code)}"]
    except TagFault as fault:
        return [], [f"{name} line {reader.parser.CurrentLineNumber}: {fault}"]
    except (ValueError, LookupError):
        return [], [f"{name} line {reader.parser.CurrentLineNumber}: its encoding is not known: save it as UTF-8"]
    faults = [f"{name} {fault}" for fault in reader.faults]
    if not reader.rows and not faults:
        faults.append(f"{name} has no images: expected an export of CVAT, in the form 'CVAT for images 1.1'")
    if reader.shapes and not reader.tags and not faults:
        faults.append(
            f"{name} has shapes ({reader.shapes[0]}) and no tags: expected a tag with the class of each image"
        )
    return reader.rows, faults


class _Reader:
    """Gathers the images of a file.

    Attributes:
        rows: one for each image.
        tags: number of tags.
        shapes: kinds of shapes that were seen.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.faults: list[str] = []
        self.tags, self.shapes = 0, list[str]()
        self._open: list[str] = []
        self._image: tuple[int, str] | None = None
        self._labels: dict[str, int] = {}  # with their lines
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self._refuse_type
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def _refuse_type(self, *_: object) -> None:
        raise TagFault("has a document type (<!DOCTYPE ...>), which is not read: expected an export of CVAT")

    def _start(self, element: str, given: dict[str, str]) -> None:
        if not self._open and element != "annotations":
            raise TagFault(f"expected <annotations> of 'CVAT for images 1.1', got <{shown(element)[:80]}>")
        self._open.append(element)
        if len(self._open) > _DEEPEST:
            raise TagFault(f"more than {_DEEPEST} elements within each other")
        if self._open == ["annotations", "track"]:
            raise TagFault("has a <track>, of a video: export as 'CVAT for images 1.1'")
        line = self.parser.CurrentLineNumber
        if self._open == ["annotations", "image"]:
            self._image, self._labels = (line, given.get("name", "")), {}
            if not given.get("name", "").strip():
                self._image = None
                self.faults.append(f"line {line}: <image> has no 'name'")
        elif self._image is not None and len(self._open) == 3:
            if element == "tag":
                self._take(given, line)
            elif element in _SHAPES:
                self.shapes.append(element) if element not in self.shapes else None

    def _take(self, given: dict[str, str], line: int) -> None:
        assert self._image is not None
        label = given.get("label", "").strip()
        self.tags += 1
        if not label:
            self.faults.append(f"line {line}: <tag> of image '{shown(self._image[1])}' has no 'label'")
        elif given.get("source") != "auto":
            self._labels.setdefault(label, line)

    def _end(self, element: str) -> None:
        if self._open == ["annotations", "image"] and self._image is not None:
            line, name = self._image
            if len(self._labels) > 1:
                said = " and ".join(f"'{shown(label)}' (line {at})" for label, at in self._labels.items())
                self.faults.append(
                    f"line {line}: image '{shown(name)}' has the tags {said}: an image has one class here"
                )
            else:
                self.rows.append(Row(line, name.replace("\\", "/"), next(iter(self._labels), None), imported=True))
            self._image = None
        self._open.pop()
