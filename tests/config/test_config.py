from __future__ import annotations

import re
from pathlib import Path

import pytest

from tutelage import config
from tutelage.config.settings import OptimizerConfig, TrainConfig, seconds
from tutelage.core.errors import ConfigError
from tutelage.run.method_by_name import method_settings, resolved


def test_later_sources_win_preset_then_file_then_flags(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[optimizer]\nlr = 0.5\nmomentum = 0.8\n[method]\nema-decay = 0.9\n")
    cfg = config.resolve(
        {"data.path": "digits", "optimizer.lr": "0.7"}, preset="mean-teacher-cifar10-wrn-28-2", file=file
    )
    assert (cfg.optimizer.lr, cfg.optimizer.momentum, cfg.network.name) == (0.7, 0.8, "wrn-28-2")
    assert method_settings(cfg).ema_decay == 0.9


def test_settings_survive_a_round_trip_through_plain_values() -> None:
    cfg = resolved(
        config.resolve(
            {"data.path": "digits", "train.steps": 5, "method.name": "mean-teacher", "method.consistency": "kl"}
        )
    )
    assert resolved(config.RunConfig.from_dict(cfg.to_dict())) == cfg


def test_without_steps_and_budget_half_an_hour_is_taken() -> None:
    assert config.resolve({"data.path": "digits"}).train.budget == "30m"


def test_a_flag_for_steps_overrules_the_budget_of_a_file_and_the_reverse(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('[train]\nbudget = "5m"\n')
    assert config.resolve({"data.path": "digits", "train.steps": 7}, file=file).train.budget is None
    file.write_text("[train]\nsteps = 7\n")
    assert config.resolve({"data.path": "digits", "train.budget": "1m"}, file=file).train.steps is None


def test_a_file_decides_on_the_length_over_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    by_steps = next(name for name in config.preset_names() if "steps" in config.read_preset(name)["train"])
    file.write_text('[train]\nbudget = "5m"\n')
    train = config.resolve({"data.path": "digits"}, preset=by_steps, file=file).train
    assert (train.steps, train.budget) == (None, "5m")
    train = config.resolve({"data.path": "digits", "train.steps": 7}, preset=by_steps, file=file).train
    assert (train.steps, train.budget) == (7, None)
    file.write_text('[train]\nsteps = 7\nbudget = "5m"\n')
    with pytest.raises(ConfigError, match="mutually exclusive"):
        config.resolve({"data.path": "digits"}, preset=by_steps, file=file)


@pytest.mark.parametrize("name", config.preset_names())
def test_every_preset_is_valid_and_tells_its_source(name: str) -> None:
    table = config.preset_table(name)["preset"]
    assert {"description", "source"} <= set(table)
    cfg = resolved(config.resolve({"data.path": "digits"}, preset=name))
    assert name.startswith("sntg-" if cfg.method_values.get("sntg_weight") else cfg.method)
    assert {"steps", "budget"} & set(config.read_preset(name)["train"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train.stesp": 1}, "unknown setting train.stesp; did you mean 'steps'?"),
        ({"trian.steps": 1}, "unknown section trian; did you mean 'train'?"),
        ({"train": 1}, "unknown setting train"),
        ({"method.name": 3}, "method.name must be a string, got 3"),
        ({"train.batch_size": 0}, "train.batch_size must be at least 1, got 0"),
        ({"optimizer.lr": -1}, "optimizer.lr must be above 0, got -1.0"),
        ({"train.steps": 5, "train.budget": "5m"}, "train.steps and train.budget are mutually exclusive"),
        (
            {"train.budget": "soon"},
            "train.budget must be a time such as 90s, 30m or 2h (a bare number is minutes), got 'soon'",
        ),
        ({"optimizer.schedule": "step", "optimizer.step_at": ""}, "optimizer.step_at must be rising shares in [0, 1]"),
        ({"optimizer.schedule": "step", "optimizer.step_at": "0.75,0.5"}, "rising shares in [0, 1], got (0.75, 0.5)"),
        ({"optimizer.schedule": "step", "optimizer.step_at": "0.5,1.5"}, "rising shares in [0, 1], got (0.5, 1.5)"),
        ({"optimizer.step_at": 0.3}, "optimizer.step_at does nothing with optimizer.schedule = 'cosine-7-16'"),
        (
            {"optimizer.beta2": 0.99},
            "optimizer.beta2 does nothing with optimizer.name = 'sgd'; it is for adam and adamw",
        ),
        (
            {"optimizer.name": "adamw", "optimizer.nesterov": False},
            "optimizer.nesterov does nothing with optimizer.name = 'adamw'; it is for sgd",
        ),
        (
            {"optimizer.schedule": "ramps", "optimizer.momentum_end": 0.5},
            "optimizer.momentum_end does nothing with optimizer.rampdown = 0",
        ),
        ({"optimizer.warmup_form": "before"}, "optimizer.warmup_form does nothing with optimizer.warmup = 0.0"),
        (
            {"optimizer.warmup_form": "before", "optimizer.warmup": 0.1, "optimizer.schedule": "ramps"},
            "optimizer.warmup_form does nothing with optimizer.warmup = 0.1 and optimizer.schedule = 'ramps'",
        ),
        (
            {"optimizer.warmup_form": "before", "optimizer.warmup": 1.0},
            "optimizer.warmup must be below 1 with optimizer.warmup_form = 'before', got 1.0",
        ),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        config.resolve({"data.path": "digits", **settings})


def test_no_data_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no data: name a folder"):
        config.resolve({"train.steps": 1})


def test_a_broken_toml_file_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_text("[train]\nsteps = = 3\n")
    with pytest.raises(ConfigError, match=r"broken.toml is not valid TOML: .*line 2"):
        config.resolve({"data.path": "digits"}, file=file)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'mean-teacher-cifar10-wrn-28-2'"):
        config.resolve({"data.path": "digits"}, preset="mean-teacher-cifar10-wrn-282")


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("2", 120), (" 2H ", 7200)])
def test_budgets_are_times(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "-1m", "0", "nan", "inf", "1d"])
def test_other_budgets_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        seconds(text)


def test_the_unlabeled_batch_is_rounded() -> None:
    assert TrainConfig(batch_size=124, unlabeled_ratio=3.129032258064516).unlabeled_batch == 388


def test_settings_of_another_schedule_are_refused() -> None:
    with pytest.raises(ConfigError, match="belongs to 'ramps'"):
        OptimizerConfig(rampdown=0.1)


def test_a_preset_of_another_method_is_named_with_its_method(tmp_path: Path) -> None:
    message = "the preset mean-teacher-digits is for the method mean-teacher, not supervised"
    with pytest.raises(ConfigError, match=message):
        config.resolve({"data.path": "digits", "method.name": "supervised"}, preset="mean-teacher-digits")
    file = tmp_path / "a.toml"
    file.write_text('[method]\nname = "supervised"\n')
    with pytest.raises(ConfigError, match=message):
        config.resolve({"data.path": "digits"}, preset="mean-teacher-digits", file=file)
    given = {"data.path": "digits", "method.name": "mean-teacher"}
    assert config.resolve(given, preset="mean-teacher-digits").method == "mean-teacher"


@pytest.mark.parametrize(
    ("preset", "network", "kept"),
    [
        ("fixmatch-gpu", "wrn-28-2", {"batch_norm_momentum": 0.01}),
        ("fixmatch-gpu", "wrn-28-8", {"batch_norm_momentum": 0.01}),
        ("fixmatch-gpu", "timm:resnet10t", {"batch_norm_momentum": None}),
        ("mean-teacher-la-8", "vnet-laseg", {"dropout": 0.5}),
    ],
)
def test_another_network_takes_of_a_preset_the_settings_that_it_has(
    preset: str, network: str, kept: dict[str, object]
) -> None:
    assert any(config.read_preset(preset)["network"].get(name) is not None for name in kept)
    cfg = config.resolve({"data.path": "digits", "network.name": network}, preset=preset)
    assert cfg.network.name == network
    assert {name: getattr(cfg.network, name) for name in kept} == kept


def test_a_setting_that_was_given_for_a_network_without_it_is_an_error() -> None:
    given = {"data.path": "digits", "network.name": "timm:resnet10t", "network.batch_norm_momentum": 0.1}
    with pytest.raises(ConfigError, match="is not a setting of the network"):
        config.resolve(given, preset="fixmatch-gpu")
