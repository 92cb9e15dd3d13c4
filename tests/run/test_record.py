from __future__ import annotations

import platform
import re
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch

from tutelage.run.provenance import environment, processor, warn_of_changes


def test_the_environment_tells_the_libraries_that_decode_and_the_model_of_the_processor() -> None:
    facts = environment(torch.device("cpu"))
    assert (facts["numpy"], facts["pillow"], facts["torch"]) == (np.__version__, PIL.__version__, torch.__version__)
    assert facts["processor"] == processor() != ""
    table = Path("/proc/cpuinfo")
    if table.exists() and "model name" in table.read_text():
        assert f": {processor()}\n" in table.read_text()
        assert processor() != platform.machine()


@pytest.mark.parametrize("name", ["numpy", "pillow", "processor", "threads", "torch"])
def test_each_change_is_a_warning(name: str) -> None:
    now = environment(torch.device("cpu"))
    with pytest.warns(RuntimeWarning, match=re.escape(f": {name} 0 is now {now[name]}")):
        warn_of_changes({"environment": {**now, name: 0}}, torch.device("cpu"))


def test_what_an_older_run_did_not_record_is_no_change() -> None:
    before = environment(torch.device("cpu"))
    del before["pillow"]
    warn_of_changes({"environment": before}, torch.device("cpu"))
