"""Small runs to export, and the examples of docs/export.md by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import tutelage

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
EXAMPLES: dict[str, str] = dict(
    re.findall(r"<!-- example: (\S+) -->\n```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
)
ALONE = "import sys\nfor name in ('torch', 'torchvision', 'tutelage'):\n    sys.modules[name] = None\n"
"""What an example begins with that must run where these packages are not installed."""


def few_pictures(root: Path, **more: Any) -> tutelage.Run:
    """A run of a few steps on 12 pictures in `root`, of cats, which are dark, and of dogs."""
    draw = np.random.default_rng(0)
    for number, name in enumerate(("cat", "dog") * 6):
        file = root / "pictures" / name / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        levels = draw.integers(0, 120, (20, 24, 3)) + (100 if name == "dog" else 0)
        Image.fromarray(levels.astype(np.uint8)).save(file)
    settings: dict[str, Any] = {"steps": 4, "batch_size": 4, "network": "wrn-10-1", "method": "supervised"}
    return tutelage.train(root / "pictures", out=root / "run", image_size=16, device="cpu", **{**settings, **more})
