"""The commands behind the command line and the Python API: each calls the library, prints, and writes files.

A command is imported when it is first used, because most of them need torch, which is slow to import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tutelage.commands.cache import clear_cache, print_cache
    from tutelage.commands.calibrate import calibrate_run
    from tutelage.commands.catalog import print_catalog
    from tutelage.commands.check import check_source
    from tutelage.commands.clean import CleanConfig, clean_images
    from tutelage.commands.compare import collect_runs, compare_runs, list_runs, plan_of
    from tutelage.commands.demo import run_demo
    from tutelage.commands.demo_scans import run_scan_demo
    from tutelage.commands.embed import embed_run
    from tutelage.commands.evaluate import evaluate_run
    from tutelage.commands.export import export_run
    from tutelage.commands.import_weights import import_file
    from tutelage.commands.label import LabelConfig, label_images
    from tutelage.commands.other_code.base import ImportOptions
    from tutelage.commands.predict import predict_run
    from tutelage.commands.probe import ProbeConfig, parse_counts, probe_run
    from tutelage.commands.report import report_after_training, report_runs
    from tutelage.commands.score import score_folders
    from tutelage.commands.select import SelectConfig, select_images
    from tutelage.commands.serve import ServeConfig, serve_model
    from tutelage.commands.show import show_views
    from tutelage.commands.train import resume_training, train_run
    from tutelage.results.compare.launchers import LauncherConfig
    from tutelage.results.mask_scores.scores import MaskScoring
    from tutelage.run.resolve import resolve_pretraining, resolve_training

_HOMES = {
    "CleanConfig": "tutelage.commands.clean",
    "ImportOptions": "tutelage.commands.other_code.base",
    "LabelConfig": "tutelage.commands.label",
    "LauncherConfig": "tutelage.results.compare.launchers",
    "MaskScoring": "tutelage.results.mask_scores.scores",
    "ProbeConfig": "tutelage.commands.probe",
    "SelectConfig": "tutelage.commands.select",
    "ServeConfig": "tutelage.commands.serve",
    "calibrate_run": "tutelage.commands.calibrate",
    "check_source": "tutelage.commands.check",
    "clean_images": "tutelage.commands.clean",
    "clear_cache": "tutelage.commands.cache",
    "collect_runs": "tutelage.commands.compare",
    "compare_runs": "tutelage.commands.compare",
    "embed_run": "tutelage.commands.embed",
    "evaluate_run": "tutelage.commands.evaluate",
    "export_run": "tutelage.commands.export",
    "import_file": "tutelage.commands.import_weights",
    "label_images": "tutelage.commands.label",
    "list_runs": "tutelage.commands.compare",
    "parse_counts": "tutelage.commands.probe",
    "plan_of": "tutelage.commands.compare",
    "predict_run": "tutelage.commands.predict",
    "print_cache": "tutelage.commands.cache",
    "print_catalog": "tutelage.commands.catalog",
    "probe_run": "tutelage.commands.probe",
    "report_after_training": "tutelage.commands.report",
    "report_runs": "tutelage.commands.report",
    "resolve_pretraining": "tutelage.run.resolve",
    "resolve_training": "tutelage.run.resolve",
    "resume_training": "tutelage.commands.train",
    "run_demo": "tutelage.commands.demo",
    "run_scan_demo": "tutelage.commands.demo_scans",
    "score_folders": "tutelage.commands.score",
    "select_images": "tutelage.commands.select",
    "serve_model": "tutelage.commands.serve",
    "show_views": "tutelage.commands.show",
    "train_run": "tutelage.commands.train",
}
__all__ = [
    "CleanConfig",
    "ImportOptions",
    "LabelConfig",
    "LauncherConfig",
    "MaskScoring",
    "ProbeConfig",
    "SelectConfig",
    "ServeConfig",
    "calibrate_run",
    "check_source",
    "clean_images",
    "clear_cache",
    "collect_runs",
    "compare_runs",
    "embed_run",
    "evaluate_run",
    "export_run",
    "import_file",
    "label_images",
    "list_runs",
    "parse_counts",
    "plan_of",
    "predict_run",
    "print_cache",
    "print_catalog",
    "probe_run",
    "report_after_training",
    "report_runs",
    "resolve_pretraining",
    "resolve_training",
    "resume_training",
    "run_demo",
    "run_scan_demo",
    "score_folders",
    "select_images",
    "serve_model",
    "show_views",
    "train_run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tutelage.commands' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
