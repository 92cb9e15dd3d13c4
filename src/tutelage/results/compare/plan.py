"""What a comparison runs: methods x label counts x seeds, each as a training command of its own."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from tutelage import config
from tutelage.config import RunConfig
from tutelage.config.settings import require
from tutelage.core.errors import ConfigError, RunError
from tutelage.core.regular import read_regular
from tutelage.core.sealed import read_sealed, write_sealed
from tutelage.core.wording import command, named, option
from tutelage.data.kinds import DataKind, recognize_kind
from tutelage.run.method_by_name import learns_from_labels, method_class, method_settings
from tutelage.run.resolve import resolve_training

FILE = "compare.json"
CACHE = "cache"  # of prepared scans
FORMAT = 1
_DIGEST = "config_digest"  # hash of the TOML file when the plan was written
MOST_SEEDS = 100
NO_REPORT = "--no-report"  # for each run: the comparison writes one report on all of them
# settings that differ between the runs or have no meaning in them: what to give instead, and of which setting
_OF_THE_COMPARISON = {
    "method.name": ("", "methods"),
    "data.label_count": ("", "label_counts"),
    "train.baseline": ("supervised among ", "methods"),
    "train.baseline_share": ("supervised among ", "methods"),
    "train.baseline_steps": ("supervised among ", "methods"),
}


@dataclass(frozen=True)
class Combination:
    """One run of a comparison; a `label_count` of None uses all labels."""

    method: str
    label_count: int | None
    seed: int

    @property
    def name(self) -> str:
        """Of its run folder."""
        method = self.method.replace(":", ".")  # of an import path; not all systems take it in the name of a folder
        return f"{method}-{'all' if self.label_count is None else self.label_count}-{self.seed}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is compared, and the settings that all runs share.

    Attributes:
        seeds: each draws one split of the labels, the same for all methods.
        presets: at most one per method; "none" is for the methods of which there is no other.
        settings: by dotted name; a method setting applies to each method that has it.
        config_file: TOML file of settings for all runs.
    """

    methods: tuple[str, ...]
    label_counts: tuple[int | None, ...]
    seeds: tuple[int, ...]
    presets: tuple[str, ...] = ()
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    config_file: str | None = None

    def __post_init__(self) -> None:
        require(bool(self.methods), named("methods"), "one or more names, separated by commas", "")
        for flag, values in (("methods", self.methods), ("label_counts", self.label_counts), ("presets", self.presets)):
            twice = sorted({str(value) for value in values if values.count(value) > 1})
            if twice:
                raise ConfigError(f"{named(flag)} names {twice[0]} twice: name it once")
        require(1 <= len(self.seeds) <= MOST_SEEDS, named("seeds"), f"in [1, {MOST_SEEDS}]", len(self.seeds))
        for name, (what, instead) in _OF_THE_COMPARISON.items():
            if name in self.settings:
                raise ConfigError(f"{name} is not a single setting in a comparison: give {what}{named(instead)}")
        for method in self.methods:
            if not learns_from_labels(method):
                raise ConfigError(
                    f"{named('methods')}: {method} uses no labels, so there is nothing to compare: "
                    f"{command('pretrain', 'DATA', out='RUN', method=method)}, then compare others that start from it, "
                    f"{option('init_from', 'RUN')}"
                )
        self._check_method_settings()
        presets = [preset for preset in self.presets if preset != config.NO_PRESET]
        owners = [preset_method(preset) for preset in presets]
        for preset, owner in zip(presets, owners, strict=True):
            if owner not in self.methods:
                raise ConfigError(f"the preset {preset} is for {owner}, which is not among {named('methods')}")
            if owners.count(owner) > 1:
                raise ConfigError(f"{named('presets')} names two presets of {owner}: name one")

    def _check_method_settings(self) -> None:
        for name in self.settings:
            section, _, setting = name.partition(".")
            if section == "method" and not any(_has(method, setting) for method in self.methods):
                raise ConfigError(f"{name} is not a setting of any of {', '.join(self.methods)}")

    @property
    def kind(self) -> DataKind:
        """Of the data."""
        labels = self.settings.get("data.labels")
        return recognize_kind(str(self.settings["data.path"]), None if labels is None else str(labels))

    @property
    def on_defaults(self) -> bool:
        """Whether nothing says what a method's own settings shall be."""
        given = any(name.startswith(("method.", "optimizer.", "network.")) for name in self.settings)
        presets = set(self.presets) - {config.NO_PRESET}
        return not (presets or self.config_file or given or self.kind.from_preset)

    @property
    def combinations(self) -> list[Combination]:
        """All runs in order: all methods on one seed before the next seed, fewest labels first."""
        return [
            Combination(method, count, seed)
            for seed in self.seeds
            for count in self.label_counts
            for method in self.methods
        ]

    def preset_of(self, method: str) -> str | None:
        """The preset for a method, if one was named."""
        none = config.NO_PRESET if config.NO_PRESET in self.presets else None
        return next((p for p in self.presets if p != config.NO_PRESET and preset_method(p) == method), none)

    def settings_of(self, one: Combination) -> dict[str, Any]:
        """The settings of a run by dotted name; they override its preset and the file."""
        own = {
            name: value
            for name, value in self.settings.items()
            if not name.startswith("method.") or _has(one.method, name.partition(".")[2])
        }
        own |= {"method.name": one.method, "train.seed": one.seed}
        return own if one.label_count is None else own | {"data.label_count": one.label_count}

    def config_of(self, one: Combination) -> RunConfig:
        """The settings of a run, resolved and checked.

        Raises:
            ConfigError: one is unknown, out of range, or contradicts another.
        """
        cfg = resolve_training(self.settings_of(one), preset=self.preset_of(one.method), file=self.config_file)
        method_settings(cfg)
        return cfg

    def command(self, one: Combination, out: Path) -> list[str]:
        """The arguments of `tutelage` that start a run."""
        flags = {name: flag for flag, name in config.FLAGS.items()}
        settings = self.settings_of(one)
        if self.kind.cache is not None:
            settings.setdefault(self.kind.cache, str(out / CACHE))  # one for all runs, which may be large
        words = ["train", str(settings.pop("data.path")), "--out", str(out / one.name)]
        preset = self.preset_of(one.method)
        words += [] if preset is None else ["--preset", preset]
        words += [] if self.config_file is None else ["--config", self.config_file]
        first = [name for name in ("method.name", "data.label_count", "train.seed") if name in settings]
        for name in dict.fromkeys([*first, *settings]):
            value = settings[name]
            flag = name if str(value).lower() in ("true", "false") and value is not True else flags.get(name, name)
            words += [f"--{flag.replace('_', '-')}", *([] if value is True else [str(value)])]
        return [*words, NO_REPORT]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**dataclasses.asdict(self), "settings": {k: _plain(v) for k, v in self.settings.items()}}


def preset_method(preset: str) -> str:
    """The method that a preset is for.

    Raises:
        ConfigError: there is no such preset.
    """
    return str(config.read_preset(preset).get("method", {}).get("name", config.DEFAULT_METHOD))


def shown_command(words: Sequence[str]) -> str:
    """A command as it is typed in a shell."""
    return shlex.join(["tutelage", *words])


def keep_plan(plan: Plan, out: Path) -> None:
    """Write the plan, or check that it extends the one in `out`, so that every started run belongs to both.

    Raises:
        RunError: `out` holds another comparison, or something else; the message names what differs.
    """
    digest = None if plan.config_file is None else sha256(read_regular(plan.config_file)).hexdigest()
    values = {"format": FORMAT, **plan.to_dict(), _DIGEST: digest}
    if (out / FILE).exists():
        before = read_plan(out)
        started = [one for one in before.combinations if (out / one.name / "config.json").exists()]
        runs = {one: _run(plan, one) for one in plan.combinations}
        if any(runs.get(one) != _run(before, one) for one in started):
            raise RunError(
                f"{out} holds another comparison: {'; '.join(_differences(before, plan))}. Methods, label counts and "
                "seeds may be added; to change anything else, choose a new folder"
            )
        if started and digest != read_sealed(out / FILE).get(_DIGEST, digest):
            raise RunError(
                f"{plan.config_file} has changed since the first runs of {out}; undo the change, or choose a new folder"
            )
        write_sealed(out / FILE, values)
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out} exists and holds no comparison; choose a new folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot create the folder {out}: {error.strerror}") from None
    write_sealed(out / FILE, values)


def _run(plan: Plan, one: Combination) -> tuple[object, ...]:
    """Everything that determines one run."""
    settings = {name: str(value) for name, value in plan.settings_of(one).items()}
    return settings, plan.preset_of(one.method), plan.config_file


def _differences(before: Plan, plan: Plan) -> list[str]:
    """What `plan` removes from or changes in the earlier plan."""
    old, new = _flat(before.to_dict()), _flat(plan.to_dict())
    added = {
        name for name in ("methods", "label_counts", "seeds") if set(getattr(before, name)) <= set(getattr(plan, name))
    }
    return [
        f"{name} was {_shown(old.get(name))} and is {_shown(new.get(name))} now"
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name) and name not in added
    ]


def read_plan(out: Path) -> Plan:
    """The plan of the comparison in `out`.

    Raises:
        RunError: there is none, or it is damaged or of a newer format.
    """
    if not (out / FILE).exists():
        raise RunError(f"{out} holds no comparison: it has no {FILE}")
    values = read_sealed(out / FILE)
    try:
        if values.pop("format") != FORMAT:
            raise RunError(f"{out / FILE} was written by another version of tutelage")
        values.pop(_DIGEST, None)
        given: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        return Plan(**given)
    except (AttributeError, KeyError, TypeError):
        raise RunError(f"{out / FILE} is damaged: its keys and values are not those of a comparison") from None


def _has(method: str, setting: str) -> bool:
    return setting in {field.name for field in dataclasses.fields(method_class(method).Config)}


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float) or value is None else str(value)


def _flat(values: Mapping[str, Any]) -> dict[str, str]:
    """The parts of a plan by the names that users know."""
    lists = {name: ", ".join(map(str, values[name])) for name in ("methods", "label_counts", "seeds", "presets")}
    given = {name: str(value) for name, value in values["settings"].items()}
    return lists | given | {"config": str(values["config_file"])}


def _shown(value: str | None) -> str:
    return "not given" if value in (None, "", "None") else str(value)
