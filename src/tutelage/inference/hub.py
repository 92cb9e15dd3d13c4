"""Exported models on the Hugging Face Hub."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from tutelage.core.errors import MissingExtra, RunError
from tutelage.core.hub import unreachable_hub
from tutelage.core.names import shown
from tutelage.run.exported import KEY, WEIGHTS
from tutelage.run.run_record import RunRecord

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")  # OWNER/MODEL
_FILES = ("config.json", WEIGHTS)


def named_on_hub(path: str | Path) -> bool:
    """Whether a path can only be a name on the hub: it looks like one, and not even its first part exists here."""
    text = Path(path).as_posix()
    return _NAME.fullmatch(text) is not None and not Path(path).exists() and not Path(text.split("/")[0]).exists()


def folder_from_hub(name: str) -> Path:
    """The folder of an exported model `OWNER/MODEL`, from the hub's cache or the hub. No other files are fetched.

    Raises:
        MissingExtra: the hub's client is not installed.
        RunError: it is not in the cache and the hub cannot be reached, or has no such model.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise MissingExtra(f"{shown(name)} is no folder here; as a name on the hub it", "huggingface_hub", "export")
    import huggingface_hub
    from huggingface_hub import constants

    cached = [huggingface_hub.try_to_load_from_cache(name, file) for file in _FILES]
    if not all(isinstance(file, str) for file in cached) and (host := unreachable_hub()) is not None:
        raise RunError(
            f"{shown(name)} is not a run folder: there is no such folder, nor a model of that name in the hub's cache "
            f"{constants.HF_HUB_CACHE}, and {host} cannot be reached"
        )
    try:
        folder = Path(huggingface_hub.hf_hub_download(name, _FILES[0])).parent
        huggingface_hub.hf_hub_download(name, _FILES[1])
    except Exception as error:  # the client has no common class for its errors
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunError(f"{shown(name)} cannot be fetched from the hub: {shown(said)[:300]}") from None
    if KEY not in RunRecord(folder).config:
        raise RunError(f"{shown(name)} on the hub is no model that was exported by tutelage")
    return folder


def local_folder(run: Path) -> Path:
    """The run or exported model that a path names; of a name on the hub, the folder of its files here.

    Raises:
        TutelageError: see `folder_from_hub`.
    """
    return folder_from_hub(run.as_posix()) if named_on_hub(run) else run
