"""What a training run writes as it goes on: CSV, TensorBoard events, mlflow when asked for.

log.jsonl    a row for each epoch
steps.csv    step, epoch, loss, rate, seconds
tensorboard/ the same as events
"""

from __future__ import annotations

import csv
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from unreel.detector.errors import UsageError

COLUMNS = ("step", "epoch", "loss", "rate", "seconds")


class RunLog(AbstractContextManager["RunLog"]):
    """The logs of one split; a run that is taken up goes on where its last checkpoint stands.

    Args:
        folder: Of the split.
        after: Steps that are done; rows beyond are of a process that was cut off, and go.
        track: "" or "mlflow".
        settings: Hyper-parameters, for the tracker.
    """

    def __init__(self, folder: Path, after: int, track: str, settings: dict[str, Any]) -> None:
        self._epochs, self._steps = folder / "log.jsonl", folder / "steps.csv"
        rows = []
        if after and self._steps.exists():
            with self._steps.open(newline="", encoding="utf-8") as file:
                rows = [r for r in csv.DictReader(file) if int(r["step"]) <= after]
        last = max((int(r["epoch"]) for r in rows), default=0)
        kept = self._epochs.read_text(encoding="utf-8").splitlines() if after else []
        self._epochs.write_text(
            "".join(line + "\n" for line in kept if json.loads(line)["epoch"] < max(last, 1)
                    or json.loads(line)["step"] <= after), encoding="utf-8",
        )  # fmt: skip
        self._csv = self._steps.open("w", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._csv, COLUMNS, lineterminator="\n")
        self._rows.writeheader()
        self._rows.writerows(rows)
        self._events = _events(folder / "tensorboard", after)
        self._tracker = _mlflow(folder, settings) if track == "mlflow" else None

    def step(self, row: dict[str, float]) -> None:
        """One step."""
        self._rows.writerow(row)
        self._csv.flush()
        number = int(row["step"])
        for name in ("loss", "rate"):
            if self._events is not None:
                self._events.add_scalar(name, row[name], number)
            if self._tracker is not None:
                self._tracker.log_metric(name, row[name], step=number)

    def epoch(self, row: dict[str, float]) -> None:
        """One epoch."""
        with self._epochs.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def __exit__(self, *_: object) -> None:
        self._csv.close()
        if self._events is not None:
            self._events.close()
        if self._tracker is not None:
            self._tracker.end_run()


def _events(folder: Path, after: int) -> Any:
    """TensorBoard's writer, which drops what lies beyond `after`; None where it is missing."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=after + 1 if after else None)


def _mlflow(folder: Path, settings: dict[str, Any]) -> Any:
    try:
        import mlflow
    except ImportError as error:
        raise UsageError(
            "--track mlflow needs a package that no extra brings: `pip install mlflow-skinny`"
        ) from error
    try:
        mlflow.start_run(run_name=f"{folder.parent.name}/{folder.name}")
    except mlflow.exceptions.MlflowException as error:
        raise UsageError(
            f"mlflow cannot log: {error!s:.150}... It writes where MLFLOW_TRACKING_URI says; into "
            "a folder only with MLFLOW_ALLOW_FILE_STORE=true"
        ) from error
    mlflow.log_params({k: str(v)[:250] for k, v in settings.items()})
    return mlflow
