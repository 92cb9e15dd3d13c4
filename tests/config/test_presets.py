"""Presets resolve to what they were before they were derived from each other, but for corrections that are listed."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from tutelage import config
from tutelage.config import presets
from tutelage.core.errors import ConfigError
from tutelage.run.method_by_name import method_class, resolved

SETTINGS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("preset_settings.json").read_text())
"""All settings of each preset that are not the default, from when each was a file of its own."""

VISITS = {"data.exclude_labeled": True}  # each image is visited once an epoch, as in the source
USB = {"network.wiring": "usb", "augment.strong.variant": "usb"}  # the order of the strong view, and the network
CORRECTIONS: dict[str, dict[str, Any]] = {
    "mean-teacher-cifar10-4000-conv-large": VISITS,
    "pi-model-cifar10-4000-conv-large": VISITS,
    "sntg-pi-model-cifar10-4000-conv-large": VISITS,
    "sntg-temporal-ensembling-cifar10-4000-conv-large": VISITS,
    "temporal-ensembling-cifar10-4000-conv-large": VISITS,
    "temporal-ensembling-cifar100-10000-conv-large": VISITS,
    "temporal-ensembling-svhn-1000-conv-large": VISITS,
    **{
        f"flexmatch-{data}": {"network.wiring": "torchssl"}
        for data in ("cifar10-wrn-28-2", "cifar100-wrn-28-8", "stl10-wrn-37-2", "svhn-wrn-28-2")
    },
    **{
        f"{method}-{data}": USB | ({"method.alignment_start": "first-batch"} if method == "softmatch" else {})
        for method in ("freematch", "softmatch")
        for data in ("cifar10-wrn-28-2", "cifar100-wrn-28-2", "stl10-wrn-37-2", "svhn-wrn-28-2")
    },
}
FILES = [entry for entry in (resources.files("tutelage.config") / "presets").iterdir() if entry.name.endswith(".toml")]


def other_than_default(preset: str) -> dict[str, Any]:
    """The settings of a preset that are not the default, by dotted name, and its method."""
    cfg = resolved(config.resolve({"data.path": "digits"}, preset=preset))
    built = {name: cls(path="digits") if name == "data" else cls() for name, cls in config.SECTIONS.items()}
    built["method"] = method_class(cfg.method).Config()
    defaults = config.flat(plain({name: dataclasses.asdict(section) for name, section in built.items()}))
    settings = config.flat(plain(cfg.to_dict()))
    return {k: v for k, v in settings.items() if k == "method.name" or k not in defaults or v != defaults[k]}


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: lists for tuples."""
    return json.loads(json.dumps(values))


def test_no_preset_was_lost_and_none_has_come_unseen() -> None:
    assert config.preset_names() == sorted(SETTINGS)
    assert set(CORRECTIONS) <= set(SETTINGS)


@pytest.mark.parametrize("preset", SETTINGS)
def test_a_preset_has_the_settings_that_it_always_had(preset: str) -> None:
    assert other_than_default(preset) == SETTINGS[preset] | CORRECTIONS.get(preset, {})


def test_what_a_preset_extends_is_laid_below_it_from_left_to_right() -> None:
    quick = config.preset_table("mixmatch-cifar100-wrn-28-8")
    assert quick["optimizer"] == {"name": "adamw", "lr": 0.002, "weight_decay": 0.04, "schedule": "constant"}
    assert quick["network"]["name"] == "wrn-28-8"
    assert config.read_preset("fixmatch-cpu")["train"] == {"budget": "50m", "batch_size": 64, "unlabeled_ratio": 2.0}


def test_texts_are_inherited_and_continued_but_results_are_not() -> None:
    small, photos = (config.preset_table(f"fixmatch-{name}")["preset"] for name in ("small", "cpu"))
    assert "measured" in small and "measured" not in photos
    assert photos["description"].startswith("For photos")
    plain, wide = (config.preset_table(f"fixmatch-{name}")["preset"] for name in ("svhn-wrn-28-2", "stl10-wrn-37-2"))
    assert wide["deviations"] == f"{plain['deviations']}; Cutout of 16 pixels of 96 as in the authors' code"
    assert wide["published"] != plain["published"] and wide["source"] == plain["source"]
    texts = [text for name in config.preset_names() for text in config.preset_table(name)["preset"].values()]
    assert not any("..." in text for text in texts)


def test_a_table_is_not_changed_by_whoever_reads_it() -> None:
    config.preset_table("fixmatch-small")["optimizer"]["lr"] = 7.0
    config.preset_table("fixmatch-small")["preset"]["description"] = "another"
    config.preset_table("ua-mt-la-8")["scan"]["patch_size"].append(7)
    assert config.read_preset("ua-mt-la-8")["scan"]["patch_size"] == [112, 112, 80]
    assert config.read_preset("fixmatch-small")["optimizer"]["lr"] == 0.05
    assert config.preset_table("fixmatch-small")["preset"]["description"] != "another"


def test_every_base_is_extended_and_is_no_preset() -> None:
    tables = [tomllib.loads(entry.read_text(encoding="utf-8")) for entry in FILES]
    bases = {name for table in tables for name in table.get("base", {})}
    every = [t for table in tables for t in (*table.get("base", {}).values(), *table.values()) if "extends" in t]
    extended = {name for table in every for name in table["extends"]}
    assert bases <= extended <= bases | set(config.preset_names())
    assert not bases & set(config.preset_names())
    with pytest.raises(ConfigError, match="unknown preset 'laine-aila'"):
        config.preset_table("laine-aila")


def test_a_preset_stands_in_the_file_of_its_method() -> None:
    for entry in FILES:
        stem = entry.name.removesuffix(".toml")
        names = set(tomllib.loads(entry.read_text(encoding="utf-8"))) - {"base"}
        assert all(name.startswith(stem) for name in names), stem
    assert len(FILES) <= 30


def test_two_tables_of_one_name_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "a.toml").write_text("[one]\n[base.one]\n")
    monkeypatch.setattr(presets.resources, "files", lambda package: tmp_path)
    with pytest.raises(ValueError, match=r"a\.toml: there are two presets or bases named one"):
        presets._tables.__wrapped__()


def test_all_presets_are_listed_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "presets.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    texts = {name: config.preset_table(name)["preset"]["description"] for name in config.preset_names()}
    assert rows == [f"| `{name}` | {text} |" for name, text in texts.items()]
