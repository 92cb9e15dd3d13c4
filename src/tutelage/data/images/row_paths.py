"""Which image a row of a label table means: paths are taken as they are, or as they must be meant."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tutelage.core.names import file_key, from_cell, shown
from tutelage.data.images.items import IMAGE_SUFFIXES

_DRIVE = re.compile(r"^[A-Za-z]:/")
_WAYS = ("", "in another Unicode form", "in other upper and lower case", "without the suffix")


@dataclass(frozen=True)
class MeantImage:
    """What the path of a row means.

    Attributes:
        name: the image, relative to the folder of images; None if none is meant.
        how: in which way the path differs from that; "" if it does not.
        front: the folders before it, if they are those of another place.
        fault: why no image is meant; it completes a sentence that starts with the path.
    """

    name: str | None
    how: str = ""
    front: str = ""
    fault: str = ""


def images_meant(paths: Iterable[str], images: Sequence[str], root: Path) -> list[MeantImage]:
    """The image that each path of a table means.

    A path is one of `images`, relative to `root`, or absolute and in `root`, or a cell that `to_cell` wrote. If it is
    none of these, it means the one image of which it is the path

    - with backslashes, in another Unicode form, or in other upper and lower case,
    - without its suffix,
    - with the folders of another machine, or the last ones of `root`, in front, if these are the same in all such
      paths.
    """
    finder = _Finder(images, root)
    found = [finder.find(path) for path in paths]
    fronts = Counter(one.front for one in found if one.front).most_common()
    if len(fronts) < 2:
        return found
    most = fronts[0][0]
    return [_elsewhere(one, most, root) if one.front not in ("", most) else one for one in found]


def _elsewhere(one: MeantImage, most: str, root: Path) -> MeantImage:
    """No image: the folders in front of this one are others than those of most paths."""
    others = f"in front is '{shown(one.front)}', and '{shown(most)}' of most paths"
    return MeantImage(None, fault=f"lies outside {shown(str(root))} ({others}); did you mean '{shown(str(one.name))}'?")


class _Finder:
    """Finds images by their paths; tables for other ways of writing take memory, and are made when needed."""

    def __init__(self, images: Sequence[str], root: Path) -> None:
        self.images, self.root, self.known = images, root, set(images)
        self.here = posixpath.normpath(root.absolute().as_posix()) + "/"

    def find(self, path: str) -> MeantImage:
        inside = self._inside(posixpath.normpath(path))
        for name in (inside, posixpath.normpath(from_cell(path))):
            if name in self.known:
                return MeantImage(name)
        text = self._inside(posixpath.normpath(path.strip().replace("\\", "/")))
        parts = text.split("/")
        away = text.startswith("/") or _DRIVE.match(text) is not None
        above = self.root.absolute().parts
        starts = (
            range(len(parts)) if away else (n for n in range(len(parts)) if not n or tuple(parts[:n]) == above[-n:])
        )
        for start in starts:
            names, way = self._written_as("/".join(parts[start:]))
            if len(names) > 1:
                some = " or ".join(f"'{shown(name)}'" for name in names[:3])
                return MeantImage(None, fault=f"may be {some}: write which")
            if names:
                front = "/".join(parts[:start]) or ("/" if start else "")
                ways = ["with backslashes"] if "\\" in path else []
                ways += [way] if way else []
                ways += [f"with '{shown(front)}' in front"] if front else []
                return MeantImage(names[0], " and ".join(ways), front)
        return MeantImage(None, fault=self._why(text, away=away))

    def _inside(self, path: str) -> str:
        return path.removeprefix(self.here)

    def _written_as(self, path: str) -> tuple[list[str], str]:
        """The images that are written like `path`, and in which way."""
        if path in self.known:
            return [path], _WAYS[0]
        for table, key, way in (
            (self._by_form, _form(path), _WAYS[1]),
            (self._by_case, file_key(path), _WAYS[2]),
            (self._by_stem, _form(path), _WAYS[3]),
            (self._by_stem_and_case, file_key(path), f"{_WAYS[3]} and {_WAYS[2]}"),
        ):
            if key in table:
                return table[key], way
        return [], ""

    @cached_property
    def _by_form(self) -> dict[str, list[str]]:
        return self._by(_form)

    @cached_property
    def _by_case(self) -> dict[str, list[str]]:
        return self._by(file_key)

    @cached_property
    def _by_stem(self) -> dict[str, list[str]]:
        return self._by(lambda name: _form(_stem(name)))

    @cached_property
    def _by_stem_and_case(self) -> dict[str, list[str]]:
        return self._by(lambda name: file_key(_stem(name)))

    @cached_property
    def _by_own_name(self) -> dict[str, list[str]]:
        """By the last part of the path, without the suffix."""
        return self._by(lambda name: file_key(_stem(posixpath.basename(name))))

    def _by(self, key: Callable[[str], str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.images:
            found.setdefault(key(name), []).append(name)
        return found

    def _why(self, path: str, *, away: bool) -> str:
        name = posixpath.basename(path)
        near = self._by_own_name.get(file_key(_stem(name))) or self._by_own_name.get(file_key(name)) or []
        hint = f"; did you mean '{shown(near[0])}'?" if near else ""
        if away or path == ".." or path.startswith("../"):
            return f"lies outside {shown(str(self.root))}{hint}"
        with suppress(OSError):  # the name may be too long
            if (self.root / path).is_dir():
                return "is a folder, expected an image"
            if (self.root / path).is_file():
                return f"is not an image: known suffixes are {' '.join(IMAGE_SUFFIXES)}"
        return f"is not a file in {shown(str(self.root))}{hint or '; paths are relative to that folder'}"


def ways_of(found: Sequence[tuple[str, MeantImage]]) -> list[str]:
    """For each way in which paths differ from the images that they mean, the number of them and the first.

    Args:
        found: what is meant, with where the row is and what it says, for messages.
    """
    ways: dict[str, list[tuple[str, MeantImage]]] = {}
    for said, one in found:
        if one.how:
            ways.setdefault(one.how, []).append((said, one))
    return [
        f"{len(ones)} path{'s' if len(ones) > 1 else ''} {how} (first: {ones[0][0]} is '{shown(str(ones[0][1].name))}')"
        for how, ones in ways.items()
    ]


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _stem(name: str) -> str:
    stem, suffix = posixpath.splitext(name)
    return stem if suffix.lower() in IMAGE_SUFFIXES else name
