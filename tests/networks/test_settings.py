"""Names and settings of networks."""

import subprocess
import sys

import pytest

from tutelage.config.network import NetworkConfig
from tutelage.config.network_name import NETWORK_NAMES, NetworkName
from tutelage.core.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("small", NetworkName("small")),
        ("conv-large", NetworkName("conv-large")),
        ("wrn-28-2", NetworkName("wrn", (28, 32))),
        ("wrn-28-135f", NetworkName("wrn", (28, 135))),
        ("shake-shake-26-2x96d", NetworkName("shake-shake", (96,))),
        ("timm:resnet18.a1_in1k", NetworkName("timm", timm="resnet18.a1_in1k")),
    ],
)
def test_names_are_taken_apart(name: str, parsed: NetworkName) -> None:
    assert NetworkName.parse(name) == parsed


@pytest.mark.parametrize(
    ("name", "shape"), [("wrn-10-1", (3, 1)), ("wrn-28-8", (3, 4)), ("wrn-40-2", (3, 6)), ("wrn-37-2", (4, 4))]
)
def test_the_depth_of_a_wrn_says_its_groups_and_units(name: str, shape: tuple[int, int]) -> None:
    assert NetworkName.parse(name).wide_shape == shape


def test_every_listed_name_is_accepted() -> None:
    for name in NETWORK_NAMES:
        NetworkConfig(name=name)


@pytest.mark.parametrize(
    "name", ["", "wrn", "wrn-28-", "wrn-28-0", "timm:", "shake-shake-26-2x0d", "resnet", "wrn-28-2 "]
)
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"network\.name .* is not known"):
        NetworkConfig(name=name)


def test_the_nearest_name_is_suggested() -> None:
    with pytest.raises(ConfigError, match="did you mean 'conv-large'"):
        NetworkConfig(name="convlarge")


@pytest.mark.parametrize("depth", [4, 5, 27, 31, 38])
def test_a_depth_that_no_wrn_has_is_explained(depth: int) -> None:
    with pytest.raises(ConfigError, match=r"6n \+ 4"):
        NetworkConfig(name=f"wrn-{depth}-2")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("dropout", float("nan")),
        ("input_noise", -1.0),
        ("input_noise", float("inf")),
        ("input_noise", float("nan")),
        ("batch_norm_momentum", 0.0),
        ("batch_norm_momentum", 1.1),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(setting: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"network\.{setting} must be"):
        NetworkConfig(**{setting: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("wrn-28-2", "input_noise", 0.1),
        ("wrn-28-2", "input_noise", 0.0),
        ("shake-shake-26-2x32d", "dropout", 0.1),
        ("timm:resnet18", "batch_norm_momentum", 0.1),
        ("small", "pretrained", True),
        ("small", "wiring", "torchssl"),
        ("wrn-28-2", "normalization", "batch"),
    ],
)
def test_a_setting_that_the_network_does_not_have_is_refused_naming_both(name: str, setting: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"network\.{setting} is not a setting of the network '{name}'"):
        NetworkConfig(name=name, **{setting: value})  # type: ignore[arg-type]


def test_settings_are_read_without_importing_torch() -> None:
    code = "import sys, tutelage.config.network; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
