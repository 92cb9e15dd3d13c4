"""Train image classifiers from a few labels and many unlabeled images.

    import tutelage
    run = tutelage.train("photos/", labels="labels.csv", out="runs/a", method="mean-teacher", budget="30m")
    run.score                       # accuracy 97.5% (test set of 400), or an estimate by cross-validation
    model = tutelage.load("runs/a")
    model.predict("new/")           # names, labels, probabilities; also of PIL images, arrays, tensors, lists of paths
    model.evaluate("photos-test/")  # metrics by name
    tutelage.check("photos/", labels="labels.csv")  # as the command; so are show, compare, probe, report, embed, ...
    tutelage.pretrain("photos/", out="runs/moco", budget="1h")  # an encoder from no labels, for train(init_from=...)

To write a method of your own, derive a class from `Method`. At construction it is given a network, a `Task` and a
`Problem`; at each step a `Batch` and the `Progress`, and it returns a `StepOutput`. `EMATeacher`, `EMAConfig` and
`losses` are what most methods need. Under mixed precision a network answers in bfloat16: `at_least_float32` comes
before a softmax or a sum. To write a network of your own, derive a class from `Network`, or from `DenseNetwork` for
segmentation. `tutelage.train` takes the classes as `method=` and `network=`.

`RandAugment` and `CTAugment` are strong views for image batches. All errors that are raised on purpose derive from
`TutelageError`.

Importing this package does no work: torch is loaded when a name that needs it is first used.
"""

from __future__ import annotations

import random
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tutelage.core.version import __version__

if TYPE_CHECKING:
    from tutelage.augment.ct_augment import CTAugment
    from tutelage.augment.rand_augment import RandAugment
    from tutelage.commands.api import pretrain, train
    from tutelage.commands.api_clean import clean
    from tutelage.commands.api_compare import compare
    from tutelage.commands.api_data import check, show
    from tutelage.commands.api_export import export
    from tutelage.commands.api_label import label, select
    from tutelage.commands.api_score import score
    from tutelage.commands.api_serve import serve
    from tutelage.commands.api_use import calibrate, embed, evaluate, load, predict, probe, report
    from tutelage.commands.run import Run, Score
    from tutelage.commands.sklearn_classifier import TutelageClassifier
    from tutelage.core import losses
    from tutelage.core.batch import (
        Batch,
        Labeled,
        Progress,
        PseudoLabels,
        Samples,
        SelfSupervisedBatch,
        SemiSupervisedBatch,
        StepOutput,
        SupervisedBatch,
        Unlabeled,
    )
    from tutelage.core.ema import EMATeacher
    from tutelage.core.errors import (
        CheckpointError,
        ConfigError,
        DataError,
        Interrupted,
        MissingExtra,
        NonFiniteError,
        RunError,
        TutelageError,
    )
    from tutelage.core.precision import at_least_float32
    from tutelage.data.check import CheckReport
    from tutelage.inference.export.export import Exported
    from tutelage.inference.images.calibrate import Calibrated
    from tutelage.inference.images.explain.explanation import Explanation
    from tutelage.inference.images.model import Model
    from tutelage.inference.images.prediction import Prediction, Predictions
    from tutelage.inference.images.probe.table import ProbeTable
    from tutelage.inference.model import Scores
    from tutelage.inference.scans.model import ScanModel
    from tutelage.inference.scans.prediction import Segmentations
    from tutelage.methods.base import Method, Problem
    from tutelage.methods.ema_config import EMAConfig
    from tutelage.networks.base import Network
    from tutelage.networks.dense import DenseNetwork
    from tutelage.results.compare.collect import ComparisonTable
    from tutelage.results.mask_scores.scores import MaskScores
    from tutelage.results.verdict.verdict import Verdict
    from tutelage.tasks.base import Task

__all__ = [
    "Batch",
    "CTAugment",
    "Calibrated",
    "CheckReport",
    "CheckpointError",
    "ComparisonTable",
    "ConfigError",
    "DataError",
    "DenseNetwork",
    "EMAConfig",
    "EMATeacher",
    "Explanation",
    "Exported",
    "Interrupted",
    "Labeled",
    "MaskScores",
    "Method",
    "MissingExtra",
    "Model",
    "Network",
    "NonFiniteError",
    "Prediction",
    "Predictions",
    "ProbeTable",
    "Problem",
    "Progress",
    "PseudoLabels",
    "RandAugment",
    "Run",
    "RunError",
    "Samples",
    "ScanModel",
    "Score",
    "Scores",
    "Segmentations",
    "SelfSupervisedBatch",
    "SemiSupervisedBatch",
    "StepOutput",
    "SupervisedBatch",
    "Task",
    "TutelageClassifier",
    "TutelageError",
    "Unlabeled",
    "Verdict",
    "__version__",
    "at_least_float32",
    "calibrate",
    "check",
    "clean",
    "compare",
    "embed",
    "evaluate",
    "export",
    "label",
    "load",
    "losses",
    "predict",
    "pretrain",
    "probe",
    "report",
    "score",
    "select",
    "serve",
    "show",
    "train",
]

_MODULES = {
    "augment.ct_augment": ("CTAugment",),
    "augment.rand_augment": ("RandAugment",),
    "commands.api": ("pretrain", "train"),
    "commands.api_clean": ("clean",),
    "commands.api_compare": ("compare",),
    "commands.api_data": ("check", "show"),
    "commands.api_export": ("export",),
    "commands.api_label": ("label", "select"),
    "commands.api_score": ("score",),
    "commands.api_serve": ("serve",),
    "commands.api_use": ("calibrate", "embed", "evaluate", "load", "predict", "probe", "report"),
    "commands.run": ("Run", "Score"),
    "commands.sklearn_classifier": ("TutelageClassifier",),
    "core.batch": (
        "Batch",
        "Labeled",
        "Progress",
        "PseudoLabels",
        "Samples",
        "SelfSupervisedBatch",
        "SemiSupervisedBatch",
        "StepOutput",
        "SupervisedBatch",
        "Unlabeled",
    ),
    "core.ema": ("EMATeacher",),
    "core.precision": ("at_least_float32",),
    "core.errors": (
        "CheckpointError",
        "ConfigError",
        "DataError",
        "Interrupted",
        "MissingExtra",
        "NonFiniteError",
        "RunError",
        "TutelageError",
    ),
    "data.check": ("CheckReport",),
    "inference.export.export": ("Exported",),
    "inference.images.calibrate": ("Calibrated",),
    "inference.images.explain.explanation": ("Explanation",),
    "inference.images.model": ("Model",),
    "inference.images.prediction": ("Prediction", "Predictions"),
    "inference.images.probe.table": ("ProbeTable",),
    "inference.model": ("Scores",),
    "inference.scans.model": ("ScanModel",),
    "inference.scans.prediction": ("Segmentations",),
    "methods.base": ("Method", "Problem"),
    "methods.ema_config": ("EMAConfig",),
    "networks.base": ("Network",),
    "networks.dense": ("DenseNetwork",),
    "results.compare.collect": ("ComparisonTable",),
    "results.mask_scores.scores": ("MaskScores",),
    "results.verdict.verdict": ("Verdict",),
    "tasks.base": ("Task",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name != "losses" and name not in _HOME:
        raise AttributeError(f"module 'tutelage' has no attribute '{name}'")
    state = random.getstate()  # some of the packages that are imported now draw from the caller's generator
    try:
        module = import_module(f"tutelage.{_HOME.get(name, 'core.losses')}")
    finally:
        random.setstate(state)
    return module if name == "losses" else getattr(module, name)


def __dir__() -> list[str]:
    return __all__
