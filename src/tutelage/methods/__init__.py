"""The methods, in the order in which they are listed. A new one is a file, a line here, a test, and a docs page."""

# ruff: noqa: F401, I001 - METHODS follows from the imports, in their order
from typing import Any

from tutelage.methods.base import Method
from tutelage.methods.supervised import Supervised
from tutelage.methods.pi_model import PiModel
from tutelage.methods.temporal_ensembling import TemporalEnsembling
from tutelage.methods.mean_teacher import MeanTeacher
from tutelage.methods.hybridnet import HybridNet
from tutelage.methods.pseudo_label import PseudoLabel
from tutelage.methods.mixmatch import MixMatch
from tutelage.methods.uda import UDA
from tutelage.methods.remixmatch import ReMixMatch
from tutelage.methods.fixmatch import FixMatch
from tutelage.methods.flexmatch import FlexMatch
from tutelage.methods.freematch import FreeMatch
from tutelage.methods.softmatch import SoftMatch
from tutelage.methods.linear import Linear
from tutelage.methods.label_propagation import LabelPropagation
from tutelage.methods.prototypes import Prototypes
from tutelage.methods.committee import Committee
from tutelage.methods.ua_mt import UAMT
from tutelage.methods.entropy_minimization import EntropyMinimization
from tutelage.methods.cps import CPS
from tutelage.methods.urpc import URPC
from tutelage.methods.moco import MoCoV1, MoCoV2

METHODS: tuple[type[Method[Any]], ...] = tuple(
    found
    for found in globals().values()
    if isinstance(found, type) and issubclass(found, Method) and found is not Method
)

CLASSIFIERS = tuple(method for method in METHODS if "classification" in method.tasks)
"""Those that learn one class for each image."""

PRETRAINERS = tuple(method for method in METHODS if "representation" in method.tasks)
"""Those that learn features from images alone."""

ADDITIONS = {
    "sntg": "sntg is an addition to pi-model, temporal-ensembling and mean-teacher: ask for one of them with "
    "method.sntg_weight, e.g. mean-teacher with method.sntg_weight = 0.4, or take a preset sntg-...",
}
"""Words that people look for among the methods, and what to ask for instead."""
