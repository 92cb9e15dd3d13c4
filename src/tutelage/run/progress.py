"""The live line of a training on a terminal, a bar in a notebook, or plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tutelage.core.notebook import NotebookBar, in_notebook

_SHOWN = {
    "positives_first": "positives first {:.1%}",
    "effective_rank": "effective rank {:.1f}",
}  # where they are logged


class ProgressLine:
    """Shows how far training is, with loss, validation accuracy and speed.

    Args:
        images_per_step: of both streams and all ranks, counted once however many views are made of them.
        inputs: what is counted, such as images or patches.
    """

    def __init__(self, console: Console, *, start: int, total: int, images_per_step: int, inputs: str) -> None:
        self.console, self.total, self.images_per_step, self.inputs = console, total, images_per_step, inputs
        self.page = NotebookBar(total) if in_notebook() and not console.quiet else None
        self.live = console.is_terminal or self.page is not None
        self._scores = ""
        self._time, self._step = time.perf_counter(), start
        columns = (
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
        )
        self._bar = Progress(*columns, console=console, disable=not self.live or self.page is not None, transient=True)
        self._task = self._bar.add_task("train", total=total, completed=start, text="")

    def __enter__(self) -> ProgressLine:
        self._bar.start()
        if self.page is not None:
            self.page.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self.page is not None:
            self.page.stop()

    def tick(self, done: int) -> None:
        """A step is done."""
        if self.live:
            self._bar.update(self._task, completed=done)
        if self.page is not None:
            self.page.update(done)

    def speed(self, done: int) -> float:
        """Images per second since it was last asked."""
        now = time.perf_counter()
        rate = (done - self._step) * self.images_per_step / max(now - self._time, 1e-9)
        self._time, self._step = now, done
        return rate

    def log(self, done: int, means: Mapping[str, float], rate: float) -> None:
        """Show the averages since the last line."""
        text = f"loss {means.get('loss', float('nan')):.4f}  {rate:,.0f} {self.inputs}/s"
        text += "".join(f"  {form.format(means[name])}" for name, form in _SHOWN.items() if name in means)
        left = f"  {clock((self.total - done) * self.images_per_step / max(rate, 1e-9))} left"
        if self.page is not None:
            self.page.update(done, text + self._scores + left)
        elif self.live:
            self._bar.update(self._task, completed=done, text=text + self._scores)
        else:
            self.console.print(f"step {done}/{self.total}  {text}{left}")

    def note(self, text: str) -> None:
        """Print a sentence above the line."""
        self.console.print(f"- {text}", markup=False)

    def scored(self, done: int, what: str, scores: Mapping[str, float]) -> None:
        """Show the validation scores, a share for each network; the clock does not count the time scoring took."""
        parts = [f"{name} {value:.1%}" for name, value in scores.items()]
        self._scores = f"  validation {what}: {', '.join(parts)}" if parts else ""
        if parts and not self.live:
            self.console.print(f"step {done}/{self.total}{self._scores}")
        self._time = time.perf_counter()


def clock(seconds: float) -> str:
    """`"1:02:03"` or `"2:03"`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
