"""Whether the budgets of several runs hold, asked once before the first of them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from tutelage.config import RunConfig
from tutelage.core.console import screen
from tutelage.core.devices import choose_device
from tutelage.core.errors import ConfigError
from tutelage.core.precision import float32_by_default
from tutelage.core.seeding import own_random_state
from tutelage.run.budget import Deadline
from tutelage.run.data_modules.recognize import module_of
from tutelage.run.method_by_name import resolved
from tutelage.run.method_checks import check_frozen
from tutelage.run.resolve import absolute
from tutelage.run.session import open_session
from tutelage.run.warm_start import network_of_origin


def check_budgets(configs: Mapping[str, RunConfig], console: Console) -> None:
    """Read the data and time the steps of one run of each method, as the run itself will, and train nothing.

    Args:
        configs: the settings of the runs, by name. Of those that differ in seed and labels only, the first is tried.
        console: where each method's number of steps is printed.

    Raises:
        ConfigError: some budgets are too short; the message has a line for each method, with a budget that would do.
    """
    first: dict[str, tuple[str, RunConfig]] = {}
    for name, cfg in configs.items():
        first.setdefault(cfg.method, (name, cfg))
    faults = []
    for method, (name, cfg) in first.items():
        if cfg.train.budget is None:
            continue
        console.print(f"- whether {cfg.train.budget} is enough for {method}:")
        try:
            _try(cfg, console)
        except ConfigError as fault:
            faults.append(f"{name}: {fault}")
    if faults:
        raise ConfigError("; ".join(faults))


@float32_by_default()
@own_random_state()
def _try(cfg: RunConfig, console: Console) -> None:
    begun, cfg = time.monotonic(), resolved(absolute(cfg))
    kind = module_of(cfg)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tutelage-")))
        device = choose_device(cfg.train.device)
        session = open_session(stack, device, screen(quiet=True), kind, deterministic=cfg.train.deterministic)
        cfg, module = network_of_origin(cfg, kind.kind, session.console), session.module
        cfg = session.settle(cfg, folder)
        if cfg.train.budget is None:
            return
        module.deadline = deadline = Deadline(begun, cfg.train.budget)
        check_frozen(cfg)
        session.load(cfg, folder)
        cfg = module.decide(cfg)
        training = session.build(cfg, init_from=cfg.train.init_from)
        session.console = console  # what was found in the data was said before
        try:
            cfg = session.fit_scores(training, cfg, deadline)
            session.plan(training, cfg, deadline, report=False)
        finally:
            training.loader.close()
