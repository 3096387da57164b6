"""What the REST API answers with and takes; FastAPI makes the OpenAPI description from it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from unreel.detector.serve.steps import Step
from unreel.detector.text import printable

State = Literal["queued", "working", "done", "error", "cancelled"]


class Progress(BaseModel):
    """How far a clip in hand is."""

    stage: str = Field(description="provenance, open, shots, read, judge, recheck, pictures, work.")
    share: float = Field(description="About how much is done, 0..1.")
    number: int = Field(description="Of the stretch that is read.")
    of: int


class Clip(BaseModel):
    """One clip, as a row of the history."""

    id: str
    number: int = Field(description="Rises with every clip; for paging.")
    name: str = Field(description="As the browser gave it, control characters escaped.")
    bytes: int
    created: str = Field(description="UTC.")
    state: State
    progress: Progress | None = None
    sha256: str | None = None
    label: str | None = Field(None, description="generated, inconclusive or no-evidence.")
    score: float | None = Field(None, description="0..1; 0.5 speaks for neither.")
    llr: float | None = Field(None, description="log10 likelihood ratio, generated to camera.")
    percentile: float | None = Field(None, description="Share of camera clips that score lower.")
    threshold: float | None = None
    fpr: float | None = Field(None, description="Share of false alarms at the threshold.")
    bucket: str | None = Field(None, description="Quality that it is compared within.")
    error_code: str | None = None
    error_message: str | None = None
    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None
    model: str | None = None
    reviewed_as: str | None = Field(None, description="Label of a person.")
    has_video: bool = Field(description="False when the video was deleted after its time.")
    has_picture: bool = Field(False, description="Whether there is a thumbnail.")


class ClipList(BaseModel):
    """A part of the history, the newest first."""

    clips: list[Clip]
    more_before: int | None = Field(description="Give as `before` for the next part.")


class RefusedFile(BaseModel):
    """A file that was not taken, and why."""

    name: str
    code: str
    message: str


class Received(BaseModel):
    """What became of the files of a request."""

    clips: list[Clip]
    refused: list[RefusedFile]


class Problem(BaseModel):
    """An error."""

    code: str
    message: str


class ProblemAnswer(BaseModel):
    """An error, as every answer gives it."""

    error: Problem


class LabelWish(BaseModel):
    """What a person found on looking."""

    label: Literal["real", "generated", "manipulated", "unsure"]
    generator: str = Field("", max_length=200, description="What made it, when that is known.")
    source: str = Field("", max_length=500, description="Clips of one source are kept together.")
    note: str = Field("", max_length=2000)


class Comparison(BaseModel):
    """Two clips side by side."""

    a: Clip
    b: Clip
    same_bytes: bool
    comparable: bool = Field(description="Judged by the same model with the same settings.")
    remarks: list[Literal["same-bytes", "other-model", "other-quality", "not-judged"]]


class Status(BaseModel):
    """How the server is."""

    version: str
    clips: int
    waiting: int
    bytes: int
    max_file_bytes: int
    max_total_bytes: int
    keep_days: float
    trouble: str | None = Field(description="Why nothing is judged at the moment.")


def clip_of(row: dict[str, Any], step: Step | None) -> Clip:
    """A row of `Uploads` as it is shown."""
    state = _state(row)
    model = None
    if row["model_name"] is not None:
        model = f"{row['model_name']} {row['model_version']}"
    progress = None
    if state == "working" and step is not None:
        progress = Progress(stage=step.stage, share=step.share, number=step.number, of=step.of)
    same = set(Clip.model_fields) & set(row)
    facts = {name: row[name] for name in same} | {"has_video": bool(row["has_video"])}
    created = datetime.fromtimestamp(row["created"], UTC).isoformat(timespec="seconds")
    facts["name"] = printable(row["name"])
    return Clip(
        **facts | {"created": created, "state": state, "model": model, "progress": progress}
    )


def _state(row: dict[str, Any]) -> State:
    if row["state"] == "in-hand":
        return "working"
    if row["state"] != "done":
        return "queued"
    if row["error_code"] == "cancelled":
        return "cancelled"
    return "done" if row["status"] == "ok" else "error"


def compared(row_a: dict[str, Any], row_b: dict[str, Any]) -> Comparison:
    """Two rows held against each other."""
    a, b = clip_of(row_a, None), clip_of(row_b, None)
    same_bytes = a.sha256 is not None and a.sha256 == b.sha256
    same_model = row_a["model_sha256"] == row_b["model_sha256"] and row_a["fpr"] == row_b["fpr"]
    judged = a.score is not None and b.score is not None
    remarks: list[Any] = []
    if same_bytes:
        remarks.append("same-bytes")
    if not judged:
        remarks.append("not-judged")
    elif not same_model:
        remarks.append("other-model")
    if judged and a.bucket != b.bucket:
        remarks.append("other-quality")
    return Comparison(
        a=a, b=b, same_bytes=same_bytes, comparable=judged and same_model, remarks=remarks
    )
