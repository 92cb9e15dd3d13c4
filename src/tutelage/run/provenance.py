"""What config.json records about a run, and whether settings, data and machine still match it."""

from __future__ import annotations

import json
import platform
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch

from tutelage import config
from tutelage.config import RunConfig, flat
from tutelage.core.distributed import world_size
from tutelage.core.errors import RunError
from tutelage.core.files import strict_json
from tutelage.core.version import __version__
from tutelage.core.wording import named
from tutelage.run.data_modules.base import DataModule, RunData
from tutelage.run.method_by_name import resolved
from tutelage.run.resolve import absolute

_FREE = ("train.workers", "scan.cache")  # settings that do not change the result


def describe(cfg: RunConfig, module: DataModule, device: torch.device, plan: Mapping[str, Any]) -> dict[str, Any]:
    """The content of config.json."""
    dataset = module.data
    return {
        "version": __version__,
        "settings": cfg.to_dict(),
        "plan": dict(plan),
        "lowered": dict(module.lowered),
        "data": {
            "kind": module.kind.name,
            "classes": list(dataset.classes),
            "channels": dataset.channels,
            **module.facts(),
            "fingerprint": dataset.fingerprint,
            "parts": dataset.facts,
            "notes": dataset.notes,
        },
        "environment": environment(device),
    }


def environment(device: torch.device) -> dict[str, Any]:
    """What the last bits of a result depend on besides settings and data."""
    return {
        "tutelage": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "machine": platform.machine(),
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "processes": world_size(),
        "platform": sys.platform,
    }


def processor() -> str:
    """The model name of the CPU if the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, models), "") or platform.processor() or platform.machine()


def refuse_changes(recorded: Mapping[str, Any], given: Mapping[str, Any], run: Path) -> RunConfig:
    """The run's settings, unless `given` (by dotted name) would change one.

    Raises:
        RunError: a given setting differs from the run's; the message names all of them.
        ConfigError: a given setting is unknown or invalid.
    """
    cfg = RunConfig.from_dict(recorded["settings"])
    given = dict(given)
    budget = given.pop("train.budget", None)
    if budget is not None and budget != recorded["plan"].get("budget"):
        raise RunError(f"{run} was planned for a budget of {recorded['plan'].get('budget')}, not {budget}")
    asked: dict[str, Any] = {}
    config.merge(asked, recorded["settings"])
    if given.get("method.name", cfg.method) != cfg.method:
        asked["method"] = {}  # the settings of the run's method do not apply to another one
    config.merge(asked, config.nested(given))
    old, new = (
        {name: _as_json(value) for name, value in flat(settings.to_dict()).items()}
        for settings in (cfg, resolved(absolute(RunConfig.from_dict(asked))))
    )
    if old["method.name"] != new["method.name"]:
        new = {name: value for name, value in new.items() if name == "method.name" or not name.startswith("method.")}
    as_asked = recorded.get("lowered", {})  # a batch that was lowered may be asked for again
    changed = [
        f"{name} is {old.get(name)!r}, not {new[name]!r}"
        for name in new
        if name not in _FREE and new[name] not in (old.get(name), as_asked.get(name, old.get(name)))
    ]
    if changed:
        raise RunError(
            f"{named('resume')} keeps the settings of {run}: {'; '.join(changed)}. Start a new run to change them"
        )
    free = {name: value for name, value in given.items() if name in _FREE}
    if free:
        config.merge(asked, config.nested(free))
        return RunConfig.from_dict(asked)
    return cfg


def _as_json(value: Any) -> Any:
    """A value as config.json gives it back: a tuple as a list. Numbers are equal if they have the same value."""
    return [_as_json(part) for part in value] if isinstance(value, list | tuple) else value


def refuse_other_data(recorded: Mapping[str, Any], dataset: RunData, run: Path, items: str) -> None:
    """Check that the data is the same as when the run started.

    Args:
        items: "images" or "scans".

    Raises:
        RunError: a name, a label or the content of an image or scan differs, or the order of the classes.
    """
    facts = recorded["data"]
    if list(dataset.classes) != facts["classes"]:
        raise RunError(
            f"the classes of the data changed since {run} started: {facts['classes']} to {list(dataset.classes)}"
        )
    if dataset.fingerprint != facts["fingerprint"]:
        changed = "; ".join(_changed_parts(facts["parts"], dataset.facts, items))
        raise RunError(f"the data changed since {run} started ({changed}): restore it, or start a new run")


def refuse_other_split(recorded: Mapping[str, Any], drawn: Mapping[str, Any], run: Path) -> None:
    """Check that split.json of the run says what was drawn again from the same data.

    Raises:
        RunError: it names other items.
    """
    now = json.loads(strict_json(drawn))
    other = [name for name in now if name in recorded and recorded[name] != now[name]]
    if other:
        raise RunError(
            f"{run / 'split.json'} is damaged, or was changed by hand: its {other[0]} are not those of the data; "
            "restore it, or start a new run"
        )


def _changed_parts(before: Mapping[str, Any], now: Mapping[str, Any], items: str) -> list[str]:
    changed = []
    for role in sorted({*before, *now}):
        if role not in before or role not in now:
            changed.append(f"{role}: {'new' if role in now else 'gone'}")
        elif before[role]["images"] != now[role]["images"]:
            changed.append(f"{role}: {now[role]['images']} {items}, not {before[role]['images']}")
        elif differing := [name for name in before[role] if before[role][name] != now[role][name]]:
            changed.append(f"{role}: other {' and '.join(differing)} of {items}")
    return changed


def warn_of_changes(recorded: Mapping[str, Any], device: torch.device) -> None:
    """Warn about changes that may affect the last bits: versions, threads, device.

    Raises:
        RunError: the run was written by another major version.
    """
    before, now = recorded["environment"], environment(device)
    if before["tutelage"].split(".")[0] != now["tutelage"].split(".")[0]:
        raise RunError(f"the run was started by tutelage {before['tutelage']}, this is {now['tutelage']}")
    changed = [f"{name} {before[name]} is now {now[name]}" for name in now if before.get(name, now[name]) != now[name]]
    if changed:
        warnings.warn(
            f"the last bits may differ from an uninterrupted run: {', '.join(changed)}", RuntimeWarning, stacklevel=2
        )
