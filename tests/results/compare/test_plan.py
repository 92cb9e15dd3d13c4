from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tutelage.commands.compare import plan_of
from tutelage.core.errors import ConfigError, RunError
from tutelage.methods import CLASSIFIERS
from tutelage.results.compare.plan import Combination, Plan, keep_plan, read_plan, shown_command

pytestmark = pytest.mark.usefixtures("by_flags")


def plan(**changes: Any) -> Plan:
    values: dict[str, Any] = {
        "methods": ("supervised", "fixmatch"),
        "label_counts": (20, 100),
        "seeds": (0, 1),
        "settings": {"data.path": "digits", "train.steps": "5"},
    }
    return Plan(**(values | changes))


def test_every_method_runs_on_every_number_of_labels_and_seed() -> None:
    names = [one.name for one in plan().combinations]
    assert names[:4] == ["supervised-20-0", "fixmatch-20-0", "supervised-100-0", "fixmatch-100-0"]
    assert len(names) == len(set(names)) == 8


def test_a_command_is_what_one_would_type() -> None:
    made = plan(
        settings={"data.path": "my photos", "train.compile": True, "method.threshold": "0.9", "optimizer.lr": "0.1"},
        presets=("supervised-digits",),
    )
    out = Path("cmp")
    assert shown_command(made.command(Combination("supervised", 20, 1), out)) == (
        "tutelage train 'my photos' --out cmp/supervised-20-1 --preset supervised-digits --method supervised "
        "--label-count 20 --seed 1 --compile --optimizer.lr 0.1 --no-report"
    )
    assert shown_command(made.command(Combination("fixmatch", None, 0), out)) == (
        "tutelage train 'my photos' --out cmp/fixmatch-all-0 --method fixmatch --seed 0 --compile "
        "--method.threshold 0.9 --optimizer.lr 0.1 --no-report"
    )
    switched = plan(settings={"data.path": "digits", "train.compile": "true"})
    assert "--train.compile true" in shown_command(switched.command(Combination("fixmatch", 20, 0), out))


def test_a_setting_of_a_method_goes_to_the_methods_that_have_it() -> None:
    made = plan(settings={"data.path": "digits", "method.threshold": "0.5", "method.ema_decay": "0.9"})
    supervised, fixmatch = (made.config_of(Combination(m, 20, 0)) for m in ("supervised", "fixmatch"))
    assert dict(supervised.method_settings) == {"ema_decay": "0.9"}
    assert dict(fixmatch.method_settings) == {"threshold": "0.5", "ema_decay": "0.9"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ("fixmtch",), "settings": {"method.threshold": 1}}, "did you mean 'fixmatch'"),
        ({"methods": ("supervised", "moco-v2")}, "moco-v2 uses no labels, so there is nothing to compare"),
        ({"methods": ()}, "--methods must be one or more names"),
        ({"methods": ("fixmatch", "fixmatch")}, "--methods names fixmatch twice"),
        ({"label_counts": (20, 20)}, "--label-counts names 20 twice"),
        ({"seeds": ()}, "--seeds must be in"),
        ({"settings": {"method.name": "fixmatch"}}, "give --methods"),
        ({"settings": {"data.label_count": 3}}, "give --label-counts"),
        ({"settings": {"train.baseline": True}}, "give supervised among --methods"),
        ({"settings": {"method.queue": 3}}, "method.queue is not a setting of any of supervised, fixmatch"),
        ({"presets": ("mean-teacher-digits",)}, "which is not among --methods"),
        ({"presets": ("supervised-digits", "supervised-small")}, "two presets of supervised"),
        ({"presets": ("supervised-digit",)}, "did you mean 'supervised-digits'"),
    ],
)
def test_a_plan_that_cannot_be_run_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        plan(**changes)


def test_a_plan_is_kept_and_read_back(tmp_path: Path) -> None:
    made = plan(presets=("supervised-digits",), settings={"data.path": "digits", "train.compile": True})
    keep_plan(made, tmp_path / "cmp")
    keep_plan(made, tmp_path / "cmp")
    assert read_plan(tmp_path / "cmp") == made


def start(made: Plan, out: Path) -> None:
    """The folders of its runs, as far as `keep_plan` looks at them."""
    keep_plan(made, out)
    for one in made.combinations:
        (out / one.name).mkdir(exist_ok=True)
        (out / one.name / "config.json").write_text("{}")


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"methods": ("supervised",)}, "methods was supervised, fixmatch and is supervised now"),
        ({"label_counts": (20, None)}, "label_counts was 20, 100 and is 20, None now"),
        ({"seeds": (1, 2)}, "seeds was 0, 1 and is 1, 2 now"),
        ({"settings": {"data.path": "digits", "train.steps": "6"}}, "train.steps was 5 and is 6 now"),
        ({"settings": {"data.path": "digits"}}, "train.steps was 5 and is not given now"),
        ({"config_file": "own.toml"}, "config was not given and is own.toml now"),
        ({"seeds": (0, 1, 2), "presets": ("fixmatch-digits",)}, "presets was not given and is fixmatch-digits now"),
    ],
)
def test_going_on_with_other_settings_names_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], difference: str
) -> None:
    start(plan(), tmp_path / "cmp")
    (tmp_path / "own.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=re.escape(difference)):
        keep_plan(plan(**changes), tmp_path / "cmp")


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": (0, 1, 2)},
        {"label_counts": (None, 20, 100)},
        {"methods": ("supervised", "mean-teacher", "fixmatch"), "presets": ("mean-teacher-digits",)},
    ],
)
def test_methods_label_counts_and_seeds_may_be_added(tmp_path: Path, changes: dict[str, Any]) -> None:
    start(plan(), tmp_path / "cmp")
    more = plan(**changes)
    keep_plan(more, tmp_path / "cmp")
    assert read_plan(tmp_path / "cmp") == more
    keep_plan(plan(), tmp_path / "cmp")  # nothing of what was added has been started
    start(more, tmp_path / "cmp")
    with pytest.raises(RunError, match="holds another comparison") as error:
        keep_plan(plan(), tmp_path / "cmp")
    assert str(error.value).count(" and is ") == len(changes)


def test_what_may_be_added_is_not_named_beside_what_may_not_be_changed(tmp_path: Path) -> None:
    start(plan(), tmp_path / "cmp")
    with pytest.raises(RunError, match=r"train\.steps was 5 and is 6 now") as error:
        keep_plan(plan(seeds=(0, 1, 2), settings={"data.path": "digits", "train.steps": "6"}), tmp_path / "cmp")
    assert "seeds was" not in str(error.value)


def test_a_settings_file_that_changed_is_refused_once_runs_were_started(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("[optimizer]\nlr = 0.1\n")
    made = plan(config_file=str(file))
    keep_plan(made, tmp_path / "cmp")
    file.write_text("[optimizer]\nlr = 0.2\n")
    start(made, tmp_path / "cmp")
    file.write_text("[optimizer]\nlr = 0.3\n")
    with pytest.raises(RunError, match=r"own\.toml has changed since the first runs"):
        keep_plan(made, tmp_path / "cmp")


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(RunError, match="holds no comparison"):
        keep_plan(plan(), tmp_path)
    with pytest.raises(RunError, match=r"it has no compare\.json"):
        read_plan(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("content", ["[]", "{}", '{"format": 1}', '{"format": 1, "surprise": 2}', '{"format": 2}'])
def test_a_damaged_plan_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "compare.json").write_text(content)
    with pytest.raises(RunError, match=r"compare\.json (is damaged|was written by another version)"):
        read_plan(tmp_path)


def presets_of(methods: str, presets: str) -> tuple[str, ...]:
    words = {"label_counts": None, "seeds": 1, "config_file": None}
    return plan_of({"data.path": "digits"}, methods=methods, presets=presets, **words).presets  # type: ignore[arg-type]


def test_the_common_part_of_preset_names_stands_for_one_of_each_method() -> None:
    assert presets_of("supervised,fixmatch", "small") == ("supervised-small", "fixmatch-small")
    assert presets_of("supervised,fixmatch", "fixmatch-gpu, supervised-cpu") == ("fixmatch-gpu", "supervised-cpu")
    with pytest.raises(
        ConfigError, match="there is no preset mixmatch-digits; list the presets of the methods one by one"
    ):
        presets_of("fixmatch,mixmatch", "digits")
    with pytest.raises(ConfigError, match="smal"):
        presets_of("supervised,fixmatch", "smal")


def test_every_method_of_images_has_a_preset_for_small_images_and_one_for_photos() -> None:
    of_pixels = [method.name for method in CLASSIFIERS if not method.needs_features]
    for word in ("small", "cpu"):
        assert presets_of(",".join(of_pixels), word) == tuple(f"{name}-{word}" for name in of_pixels)


def test_every_method_that_needs_features_has_a_preset_for_them() -> None:
    names = [method.name for method in CLASSIFIERS if method.needs_features]
    assert names
    assert presets_of(",".join(names), "features") == tuple(f"{name}-features" for name in names)


def test_preset_none_is_for_all_methods_without_another_and_is_a_plain_start() -> None:
    made = plan(presets=presets_of("supervised,fixmatch", "fixmatch-digits, none"))
    assert [made.preset_of(name) for name in ("supervised", "fixmatch")] == ["none", "fixmatch-digits"]
    one = Combination("supervised", 20, 1)
    assert "--preset none" in shown_command(made.command(one, Path("cmp")))
    assert made.config_of(one).preset == "none" and made.config_of(one).network.name == "small"
    with pytest.raises(ConfigError, match="--presets names none twice"):
        plan(presets=("none", "none"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"presets": ("fixmatch-digits",)}, False),
        ({"presets": ("none",)}, True),
        ({"config_file": "own.toml"}, False),
        ({"settings": {"data.path": "digits", "optimizer.lr": 0.1}}, False),
        ({"settings": {"data.path": "digits", "train.steps": 9}}, True),
    ],
)
def test_a_plan_knows_whether_it_is_left_to_defaults(changes: dict[str, Any], expected: bool) -> None:
    assert plan(**changes).on_defaults == expected
