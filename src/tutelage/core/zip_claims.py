"""What the members of a zip archive claim to unpack to, compared with the bytes that are there."""

from __future__ import annotations

import zipfile
from typing import IO

from tutelage.core.memory import memory_fault
from tutelage.core.names import brief

_COPIES = 2  # of the content, while it is read


def zip_fault(stream: IO[bytes], present: int, *, stored: bool = False) -> str | None:
    """Why a zip archive is not to be unpacked, or None. It completes a sentence that starts with the file name.

    Nothing is unpacked for it.

    Args:
        present: bytes of the file.
        stored: members that are compressed, or share their bytes, are a fault.
    """
    try:
        members = zipfile.ZipFile(stream).infolist()
    except Exception as error:  # damaged bytes make it raise almost anything
        return f"is a damaged zip archive ({type(error).__name__}): save or copy it again"
    claimed = sum(member.file_size for member in members)
    if stored:
        packed = next((member for member in members if member.compress_type != zipfile.ZIP_STORED), None)
        if packed is not None:
            return (
                f"has the compressed member '{brief(packed.filename)}': expected none, so save it again with torch.save"
            )
        if claimed > present:
            return f"has members of {claimed:,} bytes in all, and has {present:,} bytes: save or copy it again"
    return memory_fault(_COPIES * max(claimed, present), present)
