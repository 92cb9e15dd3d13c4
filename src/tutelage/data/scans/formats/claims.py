"""What the header of a file claims against the bytes that are there, before any memory is taken for its voxels.

A damaged or malicious header of a few bytes may claim terabytes, and a few kilobytes may unpack to as much. One such
file must not end the work on all others.
"""

from __future__ import annotations

import bz2
import math
import zlib
from collections.abc import Sequence

from tutelage.core.memory import IMAGE_LIMIT, MASK_LIMIT, memory_fault, size_text
from tutelage.core.names import shown
from tutelage.data.scans.formats.common import FormatFault

_COPIES = 8  # bytes for each voxel beside those of the file: as float32, and prepared
_SCANS = 2  # scans are packed half as densely as photos at most
_MOST_AXES = 16
_LONGEST_AXIS = 1 << 48  # voxels
_SPARE = 1 << 26  # bytes that may follow the voxels


def claimed_bytes(
    shape: Sequence[int], itemsize: int, present: int, *, ratio: int = 1, skipped: int = 0, what: str = "image"
) -> int:
    """The bytes of the voxels that a header claims.

    Args:
        present: bytes that are there, packed if `ratio` is above 1.
        ratio: bytes that one of them unpacks to at most.
        skipped: bytes before the voxels.
        what: "image" or "label".

    Raises:
        FormatFault: an axis has no length, the file cannot hold as many, or the machine has less memory.
    """
    if len(shape) > _MOST_AXES or max(shape, default=0) > _LONGEST_AXIS:
        longest = f"{max(shape):.3g}" if max(shape) < 1e300 else "very many"
        raise FormatFault(f"has a header that claims {len(shape)} axes of up to {longest} voxels: it is damaged")
    said = " x ".join(map(str, shape))
    if not shape or min(shape) < 1:
        raise FormatFault(f"has a header that claims {said or 'no'} voxels: it is damaged")
    needed = math.prod(shape) * itemsize
    if needed + skipped > present * ratio:
        raise FormatFault(
            f"is truncated or damaged: its header claims {said} voxels ({size_text(needed)}), which cannot be in the "
            f"{size_text(present)} that are there"
        )
    taken, limit = math.prod(shape) * (itemsize + _COPIES), {"label": MASK_LIMIT}.get(what, IMAGE_LIMIT)
    if (fault := memory_fault(taken, present, content=_SCANS * needed, limit=limit)) is not None:
        raise FormatFault(f"has {said} voxels and {fault}")
    return needed


def unpacked(content: bytes, encoding: str, claimed: int) -> bytes:
    """A stream of gzip, zlib or bz2, unpacked.

    Args:
        encoding: "gzip", "zlib" or "bz2".
        claimed: bytes that it should unpack to; some more may follow.

    Raises:
        FormatFault: it is damaged, or unpacks to many more bytes than are claimed.
    """
    most = claimed + _SPARE
    try:
        bits = zlib.MAX_WBITS | (16 if encoding == "gzip" else 0)
        stream = bz2.BZ2Decompressor() if encoding == "bz2" else zlib.decompressobj(bits)
        data: bytes = stream.decompress(content, most + 1)
    except (zlib.error, OSError, ValueError) as error:
        raise FormatFault(f"is truncated or damaged: {shown(str(error))}") from None
    if len(data) > most:
        raise FormatFault(
            f"is damaged: it unpacks to more than {size_text(most)}, and its header claims {size_text(claimed)}"
        )
    if not stream.eof:
        raise FormatFault("is truncated: its packed voxels end early")
    return data
