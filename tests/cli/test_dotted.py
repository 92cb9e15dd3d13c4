"""Settings as flags: how messages of the command line name them."""

from __future__ import annotations

import pytest

from tutelage.cli.dotted import with_flags


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("train.budget must be a time", "--budget must be a time"),
        ("optimizer.lr must be above 0", "--optimizer.lr must be above 0"),
        ("data.crop_share does nothing with data.resize = 'pad'", "--data.crop-share does nothing with --resize 'pad'"),
        ("method.ema_decay must be in [0, 1)", "--method.ema-decay must be in [0, 1)"),
        ("try a smaller optimizer.lr. Or", "try a smaller --optimizer.lr. Or"),
        ("try --optimizer.lr 0.1", "try --optimizer.lr 0.1"),
        ("/a/train.steps is a file", "/a/train.steps is a file"),
        ("train.steps.bak is a file", "train.steps.bak is a file"),
        ("'method.threshold' in settings", "'method.threshold' in settings"),
        ("data.path is missing", "data.path is missing"),
    ],
)
def test_settings_in_a_message_are_worded_as_flags(message: str, said: str) -> None:
    assert with_flags(message) == said
