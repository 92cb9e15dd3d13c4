"""What lies where in a tar shard, kept in the cache folder, so that a shard is searched once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tutelage.core.cache_folder import cache_folder
from tutelage.core.cache_room import mark_used
from tutelage.core.errors import RunError
from tutelage.core.files import write_atomically
from tutelage.data.images.items import DOUBTFUL, Stamp

FOLDER = "shards"
_VERSION = 4  # of what is kept; raise it when a search finds something else
_LARGE = 1 << 20  # bytes; a smaller shard is searched in a moment


@dataclass
class ShardIndex:
    """The samples of one shard, and what is wrong with it.

    Attributes:
        samples: name of the image in the shard, text of its label or None, place and number of its bytes.
        faults, warnings: sentences that are safe to print; a warning tells what is left out.
    """

    samples: list[tuple[str, str | None, int, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def known_index(shard: Path) -> ShardIndex | None:
    """The index that was kept of a shard, unless the shard has changed or the index is damaged."""
    file = _file(shard)
    if file is None:
        return None
    try:
        checksum, _, text = file.read_bytes().partition(b"\n")
    except OSError:
        return None
    if not text or checksum != _checksum(text):
        return None
    mark_used(file)
    found = json.loads(text)
    return ShardIndex([tuple(sample) for sample in found["samples"]], found["faults"], found["warnings"])


def keep_index(shard: Path, index: ShardIndex) -> None:
    """Keep the index of a large shard; where nothing can be written, nothing is kept."""
    file = _file(shard)
    if file is not None:
        text = json.dumps(asdict(index)).encode()
        with contextlib.suppress(OSError, RunError):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, _checksum(text) + b"\n" + text)


def _file(shard: Path) -> Path | None:
    """Where the index of a shard is kept; None of one that is small, or has changed a moment ago."""
    stamp = Stamp.of(str(shard.absolute()))
    if stamp.size < _LARGE or time.time_ns() - max(stamp.modified, stamp.changed) < DOUBTFUL * 1e9:
        return None
    key = hashlib.blake2b(repr((_VERSION, stamp)).encode(), digest_size=16).hexdigest()
    return cache_folder() / FOLDER / f"{key}.json"


def _checksum(text: bytes) -> bytes:
    return f"{zlib.crc32(text):08x}".encode()
