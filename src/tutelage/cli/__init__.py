"""The command line. Slow imports happen only when a command runs."""

from tutelage.cli.application import app
from tutelage.cli.entry import main, run

__all__ = ["app", "main", "run"]
