"""The methods. A new one is one file, one line in `METHODS`, one test file and one docs page."""

from tutelage.methods.base import Method
from tutelage.methods.fixmatch import FixMatch
from tutelage.methods.flexmatch import FlexMatch
from tutelage.methods.freematch import FreeMatch
from tutelage.methods.hybridnet import HybridNet
from tutelage.methods.mean_teacher import MeanTeacher
from tutelage.methods.mixmatch import MixMatch
from tutelage.methods.pi_model import PiModel
from tutelage.methods.pseudo_label import PseudoLabel
from tutelage.methods.remixmatch import ReMixMatch
from tutelage.methods.softmatch import SoftMatch
from tutelage.methods.supervised import Supervised
from tutelage.methods.temporal_ensembling import TemporalEnsembling
from tutelage.methods.uda import UDA

METHODS: tuple[type[Method], ...] = (
    Supervised,
    PiModel,
    TemporalEnsembling,
    MeanTeacher,
    HybridNet,
    PseudoLabel,
    MixMatch,
    UDA,
    ReMixMatch,
    FixMatch,
    FlexMatch,
    FreeMatch,
    SoftMatch,
)

ADDITIONS = {
    "sntg": "sntg is an addition to pi-model, temporal-ensembling and mean-teacher: ask for one of them with "
    "method.sntg_weight, e.g. --method mean-teacher --method.sntg-weight 0.4, or take a preset sntg-...",
}
"""Words that people look for among the methods, and what to ask for instead."""
