"""Which paths are scans, and the files that one is stored in: one, a header and its voxels, or a folder of slices."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from tutelage.core.regular import open_regular
from tutelage.data.scans.formats.common import DICOM_SUFFIXES, VOLUME_SUFFIXES, suffix_of

_MAGIC_AT, _MAGIC = 128, b"DICM"
_LOOKED_AT = 4  # files of a folder that tell whether it is a series
_LONGEST_HEADER = 1 << 16  # bytes
_VOXELS = (".img", ".raw", ".zraw")  # suffixes of files that a header names


def is_volume(path: Path) -> bool:
    """Whether a path is a volume by its name: a file with its suffix, or a folder that holds a DICOM series."""
    suffix = suffix_of(path)
    if suffix == ".hdr":  # the suffix of radiance pictures, too
        return analyze_voxels(path) is not None
    return suffix in VOLUME_SUFFIXES or (path.is_dir() and is_series(path))


def is_series(folder: Path) -> bool:
    """Whether the first files in a folder are DICOM files: by suffix or, without one, by their first bytes."""
    files = (entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith("."))
    return any(is_dicom(file) for file in islice(files, _LOOKED_AT))


def is_there(path: Path) -> bool:
    """Whether a path is a file, or a folder that holds a DICOM series."""
    return path.is_file() or (path.is_dir() and is_series(path))


def is_dicom(file: Path) -> bool:
    """Whether a file is DICOM: by its suffix or, if it has none, or one of digits, by its first bytes."""
    suffix = file.suffix.lower()
    if suffix in DICOM_SUFFIXES:
        return True
    if suffix and not suffix[1:].isdecimal():  # names of slices often are numbers with dots
        return False
    try:
        with open_regular(file) as stream:
            return stream.read(_MAGIC_AT + len(_MAGIC))[_MAGIC_AT:] == _MAGIC
    except OSError:
        return False


def files_of(path: Path) -> list[Path]:
    """The files that the scan at a path is stored in, sorted; the path itself if nothing more is known."""
    if path.is_dir():
        return sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
    voxels = analyze_voxels(path) if suffix_of(path) == ".hdr" else mhd_voxels(path) if is_mhd(path) else None
    return [path] if voxels is None else [path, voxels]


def stored_bytes(path: Path) -> int:
    """Bytes of the files that a scan is stored in; 0 if they cannot be looked at, which reading them says."""
    try:
        return sum(file.stat().st_size for file in files_of(path))
    except OSError:
        return 0


def belongs_to_header(path: Path) -> bool:
    """Whether a file is one of voxels that a header beside it describes."""
    return path.suffix.lower() in _VOXELS and any(path.with_suffix(kind).is_file() for kind in (".hdr", ".mhd"))


def analyze_voxels(header: Path) -> Path | None:
    """The `.img` of an Analyze header, if it is there."""
    return next((file for kind in (".img", ".IMG") if (file := header.with_suffix(kind)).is_file()), None)


def is_mhd(path: Path) -> bool:
    """Whether a path names a MetaImage header with voxels in a file of their own."""
    return path.suffix.lower() == ".mhd"


def mhd_voxels(header: Path) -> Path | None:
    """The file beside a `.mhd` header that it names, if it is there."""
    try:
        with open_regular(header) as stream:
            lines = stream.read(_LONGEST_HEADER).split(b"\n")
    except OSError:
        return None
    names = [line.partition(b"=")[2].strip().decode("latin-1") for line in lines if line.startswith(b"ElementDataFile")]
    return beside(header, names[0]) if names else None


def beside(header: Path, name: str) -> Path | None:
    """The file of that name in the folder of a header; None for names with folders, and if it is not there."""
    if not name or name != Path(name).name or "\\" in name or "\0" in name:
        return None
    file = header.with_name(name)
    return file if file.is_file() else None
