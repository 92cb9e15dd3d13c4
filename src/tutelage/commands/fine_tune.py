"""Fine-tuning after a head on a frozen network, and the decision which of the two is kept."""

from __future__ import annotations

import time

from rich.console import Console

from tutelage.core.errors import ConfigError, Interrupted, NotBetter
from tutelage.core.sealed import write_sealed
from tutelage.core.wording import option
from tutelage.run.data_modules.base import DataModule
from tutelage.run.data_modules.images import ImageModule
from tutelage.run.fine_tuning import LEAST, fine_tuning_config, seconds_left
from tutelage.run.run_record import KEPT_FILE, TUNED_FOLDER, RunRecord
from tutelage.run.start import resume_run, start_run


def finish_fine_tuning(
    record: RunRecord, data: DataModule | None = None, *, begun: float, report: bool = False, console: Console
) -> None:
    """Fine-tune the network of a finished run, or go on with it, and write down which is kept, and why.

    Does nothing if the settings ask for none, or if that is decided already.

    Args:
        data: of the run, if it is loaded.
        begun: when the command began, in seconds of `time.monotonic`.
        report: whether the caller writes a report within the budget.
    """
    if not record.cfg.train.finetune or record.kept is not None:
        return
    folder = record.path / TUNED_FOLDER
    left = seconds_left(record, time.monotonic() - begun)
    started = (folder / "config.json").exists()
    if not started and (head := record.estimate) is not None and head.perfect:
        reason = (
            f"all {head.labels} labels were predicted right in cross-validation, so that there is nothing to gain that "
            "labels could show"
        )
        _keep(record, False, reason, console)
        return
    if not started and left < LEAST:
        _keep(record, False, f"{max(left, 0):.0f} s are left, too few to fine-tune the network", console)
        return
    console.print(
        f"{record.path} holds a model that can be used now; the network is fine-tuned in {folder}, which is kept only "
        "if it is better:"
    )
    try:
        if started:
            resume_run(folder, {}, console=console)
        else:
            loaded = data.trained_on() if isinstance(data, ImageModule) else None
            start_run(fine_tuning_config(record, left), folder, console=console, report=report, loaded=loaded)
    except NotBetter as outcome:
        _keep(record, False, str(outcome), console)
        return
    except ConfigError as error:  # too little time, as measured
        _keep(record, False, f"the network was not fine-tuned: {error}", console)
        return
    except Interrupted as stopped:
        message = f"stopped in the fine-tuning; resume with {option('resume', record.path)}"
        raise Interrupted(message, stopped.exit_code - 128) from None
    kept, reason = _outcome(record, RunRecord(folder))
    _keep(record, kept, reason, console)


def _outcome(head: RunRecord, tuned: RunRecord) -> tuple[bool, str]:
    """Whether the fine-tuned network is kept, and why."""
    if (said := tuned.trial) is not None:
        return True, f"fine-tuning reached {said}"
    scores = [record.validation_score for record in (tuned, head)]
    if scores[0] is None or scores[1] is None:
        return True, f"{head.labels} labels are too few to compare on; on the photos that we tried, it was better"
    return (
        scores[0] > scores[1],
        f"fine-tuning reached {100 * scores[0]:.1f}% against {100 * scores[1]:.1f}% for the head, on "
        f"{head.split['val_images']} validation images",
    )


def _keep(record: RunRecord, tuned: bool, reason: str, console: Console) -> None:
    write_sealed(record.path / KEPT_FILE, {"kept": "finetuned" if tuned else "head", "reason": reason})
    console.print(f"- kept: the {'fine-tuned network' if tuned else 'head on the frozen network'}, since {reason}")
