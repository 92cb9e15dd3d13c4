"""Runs in MLflow: in a SQLite file in the run folder, unless MLFLOW_TRACKING_URI names another place."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tutelage.run.trackers.base import Ending, Tracker

FOLDER = "mlflow"  # in the run folder
FILES = ("mlflow.db", "mlflow.db-wal", "mlflow.db-shm", "mlflow.db-journal")
ARTIFACTS = "artifacts"
_EXPERIMENT = "tutelage"
_LONGEST = 6000  # characters of a parameter
_BATCH = 100  # parameters
_ENDINGS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
# a server that is not there must not hold up a training: by default, MLflow tries for minutes
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


class MlflowTracker(Tracker):
    """A run of MLflow. Its store is not the global one, so a run that is active in the process is left alone."""

    name = "mlflow"
    packages = ("mlflow", "sqlalchemy", "alembic")

    def __init__(self) -> None:
        self._client: Any = None
        self._id = ""

    def open(self, home: Path, title: str, known: str | None, settings: Mapping[str, Any]) -> str:
        """See `Tracker.open`."""
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        from mlflow.entities import Param
        from mlflow.tracking import MlflowClient

        for chatty in ("alembic", "mlflow"):
            logging.getLogger(chatty).setLevel(logging.WARNING)  # else they tell of each table they make
        self._client = MlflowClient(tracking_uri=self._place(home))
        if known is not None:
            self._id = known
            self._client.update_run(known, status="RUNNING")
            return known
        made = self._client.create_run(self._experiment(home), run_name=title)
        self._id = made.info.run_id
        params = [Param(name, str(value)[:_LONGEST]) for name, value in settings.items()]
        for first in range(0, len(params), _BATCH):
            self._client.log_batch(self._id, params=params[first : first + _BATCH])
        return self._id

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """See `Tracker.log`."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._id, metrics=[Metric(name, value, now, step) for name, value in values.items()])

    def keep(self, files: Sequence[Path]) -> None:
        """See `Tracker.keep`."""
        for file in files:
            self._client.log_artifact(self._id, str(file))

    def close(self, ending: Ending) -> None:
        """See `Tracker.close`."""
        self._client.set_terminated(self._id, _ENDINGS[ending])

    def _place(self, home: Path) -> str:
        if given := os.environ.get("MLFLOW_TRACKING_URI"):
            return given
        (home / FOLDER).mkdir(exist_ok=True)
        return f"sqlite:///{(home / FOLDER / FILES[0]).absolute().as_posix()}"

    def _experiment(self, home: Path) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _EXPERIMENT)
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        own = not os.environ.get("MLFLOW_TRACKING_URI")
        place = (home / FOLDER / ARTIFACTS).absolute().as_uri() if own else None
        return str(self._client.create_experiment(name, artifact_location=place))
