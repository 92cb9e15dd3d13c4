"""The command line. Nothing heavy is imported before a command runs."""

from tutelage.cli.application import app
from tutelage.cli.entry import main, run

__all__ = ["app", "main", "run"]
