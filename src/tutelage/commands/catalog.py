"""The catalog: methods with their equations and settings, and presets with their sources."""

from __future__ import annotations

import dataclasses
import inspect
import json
import textwrap

from rich.console import Console
from rich.table import Table

from tutelage import config
from tutelage.config import options
from tutelage.core.console import name_column
from tutelage.core.errors import ConfigError, did_you_mean
from tutelage.core.import_path import import_named, is_import_path
from tutelage.methods import ADDITIONS, METHODS
from tutelage.methods.base import Method
from tutelage.methods.own import own_method
from tutelage.networks.base import Network
from tutelage.networks.own import own_network

SHARED = "settings"
PRESETS = "presets"
_NARROWEST = 40  # columns; text is not wrapped to less


def print_catalog(name: str | None, console: Console) -> None:
    """Print an overview of all methods, or everything about one method, preset or network.

    Args:
        name: a method, a preset, or the import path of a method or network from another package; "settings" for the
            settings that all methods share; "presets" for all presets; None for the overview.

    Raises:
        ConfigError: there is no such method, preset or network.
    """
    methods = {method.name: method for method in METHODS}
    presets = config.preset_names()
    if name is None:
        _print_all(console)
    elif name in methods:
        _print_method(methods[name], console)
    elif name in presets:
        _print_preset(name, console)
    elif is_import_path(name):
        _print_own(name, console)
    elif name == SHARED:
        _print_shared(console)
    elif name == PRESETS:
        _print_presets(presets, console)
    elif name in ADDITIONS:
        console.print(ADDITIONS[name])
    else:
        known = [*methods, *presets, SHARED, PRESETS]
        raise ConfigError(f"unknown method or preset '{name}'{did_you_mean(name, known)}")


def _print_all(console: Console) -> None:
    table = Table(*map(name_column, ("method", "description", "evaluated", "presets")), title="Methods")
    for method in METHODS:
        source = (inspect.getdoc(method) or "").partition("\n")[0]
        table.add_row(method.name, source, method.evaluated, str(len(_presets_of(method))))
    console.print(table)
    console.print(
        "tutelage methods NAME shows the equation, settings and presets of a method, with published and measured "
        f"results.\ntutelage methods {PRESETS} lists all presets.\n"
        f"tutelage methods {SHARED} lists the settings that all methods share."
    )


def _presets_of(method: type[Method]) -> list[str]:
    return [p for p in config.preset_names() if config.preset_table(p).get("method", {}).get("name") == method.name]


def _print_presets(names: list[str], console: Console) -> None:
    """Each name on a line of its own, so that it is never cut; its texts are wrapped below it."""
    for name in names:
        about = config.preset_table(name)["preset"]
        console.print(name)
        console.print(_indented(about["description"], console))
        for key, title in (("published", "published"), ("measured", "measured here")):
            if key in about:
                console.print(_indented(f"{title}: {about[key]}", console))


def _indented(text: str, console: Console) -> str:
    width = max(console.width, _NARROWEST)
    return textwrap.fill(text, width, initial_indent="    ", subsequent_indent="    ", break_long_words=False)


def _print_method(method: type[Method], console: Console) -> None:
    console.print(inspect.getdoc(method) or method.name)
    console.print()
    console.print(_settings_table("Settings", method.Config, "method."))
    views = {"labeled": method.labeled_views, "unlabeled": method.unlabeled_views}
    for stream, names in views.items():
        console.print(f"views of the {stream} stream: {', '.join(names) or 'none'}")
    console.print(f"evaluated network: {method.evaluated}")
    if own := _presets_of(method):
        console.print("presets:")
        _print_presets(own, console)


def _print_own(path: str, console: Console) -> None:
    """Print everything about a method or network from another package."""
    found = import_named(path, "the class")
    if not (inspect.isclass(found) and issubclass(found, Network)):
        _print_method(own_method(path, METHODS), console)
        return
    network = own_network(path)
    console.print(inspect.getdoc(network) or path)
    if settings := getattr(network, "Config", None):
        console.print()
        console.print(_settings_table("Settings", settings, "network."))


def _print_shared(console: Console) -> None:
    for section, cls in config.SECTIONS.items():
        console.print(_settings_table(section, cls, f"{section}."))


def _settings_table(title: str, cls: type, prefix: str) -> Table:
    table = Table(*map(name_column, ("setting", "default", "description")), title=title)
    for option in options.options(cls, prefix):
        default = "" if option.default is dataclasses.MISSING else str(option.default)
        table.add_row(f"--{option.name.replace('_', '-')}", default, option.help)
    return table


def _print_preset(name: str, console: Console) -> None:
    table = config.preset_table(name)
    console.print(table["preset"]["description"])
    for key in ("source", "published", "measured", "deviations"):
        if key in table["preset"]:
            console.print(f"{key}: {table['preset'][key]}")
    console.print()
    for section in ("method", *config.SECTIONS):
        for setting, value in config.flat(table.get(section, {}), f"{section}.").items():
            console.print(f"  --{setting.replace('_', '-')} {json.dumps(value)}")
