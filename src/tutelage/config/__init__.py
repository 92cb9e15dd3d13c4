"""What a user can set, and how defaults, presets, files and flags become the settings of a run.

Nothing here imports torch, so that the command line starts quickly.
"""

from tutelage.config.dotted import flat, merge, nested
from tutelage.config.layers import given_settings, read_toml, resolve
from tutelage.config.presets import base_preset, preset_names, preset_table, read_preset
from tutelage.config.run_config import (
    AUTO,
    DEFAULT_BUDGET,
    DEFAULT_METHOD,
    FLAGS,
    IMPORTED,
    NO_PRESET,
    PRETRAINING_METHOD,
    PRETRAINING_PRESET,
    SECTIONS,
    RunConfig,
)

__all__ = [
    "AUTO",
    "DEFAULT_BUDGET",
    "DEFAULT_METHOD",
    "FLAGS",
    "IMPORTED",
    "NO_PRESET",
    "PRETRAINING_METHOD",
    "PRETRAINING_PRESET",
    "SECTIONS",
    "RunConfig",
    "base_preset",
    "flat",
    "given_settings",
    "merge",
    "nested",
    "preset_names",
    "preset_table",
    "read_preset",
    "read_toml",
    "resolve",
]
