"""Train image classifiers from a few labels and many unlabeled images.

    import tutelage
    run = tutelage.train("photos/", labels="labels.csv", out="runs/a", method="mean-teacher", budget="30m")
    model = tutelage.load("runs/a")
    model.predict("new/")           # DataFrame: path, label, confidence, one column a class
    model.evaluate("photos-test/")  # metrics by name
    tutelage.pretrain("photos/", out="runs/moco", budget="1h")  # an encoder from no labels, for train(init_from=...)

Importing this does no work: torch is loaded when a function is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tutelage.core.version import __version__

__all__ = ["Model", "Run", "__version__", "load", "pretrain", "train"]

if TYPE_CHECKING:
    from tutelage.commands.api import Run, load, pretrain, train
    from tutelage.inference.images.model import Model


def __getattr__(name: str) -> Any:
    if name in ("Run", "load", "pretrain", "train"):
        from tutelage.commands import api

        return getattr(api, name)
    if name == "Model":
        from tutelage.inference.images.model import Model

        return Model
    raise AttributeError(f"module 'tutelage' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
