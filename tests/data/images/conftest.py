"""A cache that keeps small sets of images too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tutelage.data.images import image_cache, reader, shard_index
from tutelage.data.images.image_cache import ImageCache


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageCache:
    """A cache in a folder of its own, that keeps few images too, and such as were written just now."""
    monkeypatch.setattr(image_cache, "_FEW", 0)
    monkeypatch.setattr(reader, "_WORTH_KEEPING", 0)
    for module in (image_cache, shard_index):
        monkeypatch.setattr(module, "DOUBTFUL", 0.0)
    return ImageCache(tmp_path / "images-cache")
