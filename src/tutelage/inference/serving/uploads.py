"""The images that a request carries: one as its body, or several as files of a form. They stay in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tutelage.core.names import shown
from tutelage.core.web.refused import Refused
from tutelage.inference.serving.limits import LARGEST_REQUEST

if TYPE_CHECKING:
    from starlette.requests import Request

EXPECTED = "multipart/form-data with files, or one image as image/... or application/octet-stream"
_FORM = "multipart/form-data"


def is_upload(kind: str) -> bool:
    """Whether a Content-Type is one that images come in."""
    name = _name(kind)
    return name in (_FORM, "application/octet-stream") or name.startswith("image/")


async def uploads_of(request: Request, *, most: int) -> list[tuple[str, bytes]]:
    """The name and the content of each image of a request, in order. A body without a name is called `image 0`.

    Args:
        most: files that a form may have.

    Raises:
        Refused: the form is damaged, has no file or more than `most`, or has fields that are no files.
    """
    kind = request.headers["content-type"]
    if _name(kind) != _FORM:
        return [("image 0", await request.body())]
    from starlette.datastructures import UploadFile
    from starlette.formparsers import MultiPartException, MultiPartParser

    parser = MultiPartParser(request.headers, request.stream(), max_files=most)
    parser.spool_max_size = LARGEST_REQUEST  # a file as large as that never comes, so none goes to the disk
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if "Too many files" in error.message:
            raise Refused(f"a request may have {most} images at most", 413) from None
        raise Refused(f"the form cannot be read: {error.message}") from None
    except Exception:  # the parser below it has errors of its own
        raise Refused("the form cannot be read") from None
    found: list[tuple[str, bytes]] = []
    for field, value in form.multi_items():
        if not isinstance(value, UploadFile):
            raise Refused(f"the field '{shown(field[:100])}' of the form is no file: expected files only")
        found.append((value.filename or f"image {len(found)}", await value.read()))
        await value.close()
    if not found:
        raise Refused("the form has no file")
    return found


def _name(kind: str) -> str:
    """A media type without its parameters."""
    return kind.partition(";")[0].strip().lower()
