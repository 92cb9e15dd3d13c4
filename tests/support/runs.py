"""What tests do with finished runs: cut them back to an earlier checkpoint, and compare all that they computed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any


def unsealed(file: Path) -> dict[str, Any]:
    """The content of a JSON file of a run without its hash: may be changed and written, as if it had been made so."""
    values: dict[str, Any] = json.loads(file.read_text())
    values.pop("sha256", None)
    return values


def change_json(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file of a run, which has no hash then."""
    values = unsealed(file)
    change(values)
    file.write_text(json.dumps(values))


def checkpoints(run: Path) -> list[dict[str, Any]]:
    """The entries of the manifest, oldest first."""
    found: list[dict[str, Any]] = json.loads((run / "checkpoints" / "manifest.json").read_text())["checkpoints"]
    return found


def cut_back(whole: Path, to: Path, step: int) -> Path:
    """A copy of a finished run as it was when the checkpoint of `step` was the newest."""
    shutil.copytree(whole, to)
    (to / "result.json").unlink()
    manifest = unsealed(to / "checkpoints" / "manifest.json")
    kept = [entry for entry in manifest["checkpoints"] if entry["step"] <= step]
    assert kept and kept[-1]["step"] == step, f"no checkpoint of step {step}"
    for entry in manifest["checkpoints"][len(kept) :]:
        (to / "checkpoints" / entry["file"]).unlink()
    (to / "checkpoints" / "manifest.json").write_text(json.dumps({**manifest, "checkpoints": kept}))
    return to


def digests(run: Path) -> dict[str, str]:
    """Hashes of all that a run computes: its newest checkpoint (weights, teacher, optimizer, ...), log and result."""
    newest = checkpoints(run)[-1]["file"]
    files = [run / "checkpoints" / newest, run / "metrics.jsonl", run / "result.json"]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
