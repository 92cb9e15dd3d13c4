"""The methods. A new one is one file, one line in `METHODS`, one test file and one docs page."""

from tutelage.methods.base import Method
from tutelage.methods.fixmatch import FixMatch
from tutelage.methods.mean_teacher import MeanTeacher
from tutelage.methods.supervised import Supervised

METHODS: tuple[type[Method], ...] = (Supervised, MeanTeacher, FixMatch)
