"""The formats of other labeling tools: tasks of Label Studio, and "CVAT for images 1.1"."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from tutelage.core.errors import RunError
from tutelage.core.names import shown
from tutelage.curation.labeling.sorted_pile import SortedPile
from tutelage.data.images.survey import ImageLook, read_headers

_SERVED = "/data/local-files/?d="  # by Label Studio, below LOCAL_FILES_DOCUMENT_ROOT


def to_label_studio(pile: SortedPile) -> list[dict[str, Any]]:
    """One task for each image. Paths are those of Label Studio's local files, relative to the folder of images."""
    tasks = []
    for item, label, human, confidence in pile.rows():
        task: dict[str, Any] = {"data": {"image": _SERVED + quote(item.name.encode("utf-8", "surrogateescape"))}}
        if label is not None:
            value = {"from_name": "choice", "to_name": "image", "type": "choices", "value": {"choices": [label]}}
            if human:
                task["annotations"] = [{"result": [value]}]
            else:
                task["predictions"] = [{"model_version": "tutelage", "score": confidence, "result": [value]}]
        tasks.append(task)
    return tasks


def to_cvat(pile: SortedPile) -> bytes:
    """A tag for each image with a label; images without one are listed, too.

    Raises:
        RunError: a name cannot be written in XML, or an image cannot be read any more.
    """
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    looks = read_headers(list(pile.items), workers=1)
    for number, ((item, label, human, _), look) in enumerate(zip(pile.rows(), looks, strict=True)):
        if not isinstance(look, ImageLook):
            raise RunError(f"{shown(item.place)} {look.reason}")
        width, height = look.size
        spot = {"id": str(number), "name": _plain(item.name), "width": str(width), "height": str(height)}
        image = ElementTree.SubElement(root, "image", spot)
        if label is not None:
            source = "manual" if human else "auto"
            ElementTree.SubElement(image, "tag", {"label": _plain(label), "source": source})
    ElementTree.indent(root)
    found: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return found + b"\n"


def _plain(text: str) -> str:
    if any(ord(c) < 0x20 or 0xD800 <= ord(c) < 0xE000 or c in "\ufffe\uffff" for c in text):
        raise RunError(f"'{shown(text)}' holds control or undecodable characters, which XML cannot: rename it")
    return text
