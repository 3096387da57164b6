"""The way of one file through the detector; every stage is named on this page.

    provenance -> open -> shots -> plan -> read -> judge -> re-encode check -> verdict -> report

A file that cannot be used becomes a report with an error. Nothing unreadable is replaced.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from unreel.detector.config import EVIDENCE_LANES, SamplingConfig, ScanConfig
from unreel.detector.decoder_server import start_early
from unreel.detector.detecting import ObjectDetector, load_detector
from unreel.detector.errors import MediaError
from unreel.detector.evidence import EvidenceLanes
from unreel.detector.faces.finding import FaceDetector, load_face_detector
from unreel.detector.faces.published import chosen
from unreel.detector.hands.finding import HandDetector, load_hand_detector
from unreel.detector.identity import fingerprint
from unreel.detector.lanes import faces, objects
from unreel.detector.lanes.guard import GuardedLane
from unreel.detector.lanes.learned import NAME, LearnedLane
from unreel.detector.lanes.provenance import look_at
from unreel.detector.media import Reader, open_media
from unreel.detector.model import load_model
from unreel.detector.records import Report, Sample, ScanError, Window
from unreel.detector.sampling import plan_windows
from unreel.detector.scenes import Finders
from unreel.detector.shots import find_shots, is_seen_whole, shots_of, split_at_cut
from unreel.detector.stages import Progress, Stages
from unreel.detector.verdict import POOLED, calibrated, decide, score_shots, within_reach
from unreel.detector.watermarks.decoders import Watermarks

if TYPE_CHECKING:
    from unreel.detector.gallery import Gallery
    from unreel.detector.model import Model
    from unreel.detector.provenance.records import Provenance


def scan_video(
    path: str | os.PathLike[str],
    *,
    model: Model | None = None,
    config: ScanConfig | None = None,
    progress: Progress | None = None,
    gallery: Gallery | None = None,
) -> Report:
    """Judge one video file.

    Args:
        path: The file. It is read, never written, and nothing leaves the machine.
        model: From load_model(); None = the model in the package, loaded anew on each call.
        config: Limits, share of false alarms, re-encode check; None = the defaults.
        progress: Told of each step as it begins.
        gallery: Filled with the pictures that a report for people shows; None = none are kept.

    Returns:
        A report with either a verdict or an error; it is not raised for a file that is unusable.

    Raises:
        ModelError: The model folder is missing or broken.
        UsageError: A setting is one that the model's calibration cannot serve.
    """
    config = config or ScanConfig()
    if model is None:
        start_early()  # it loads its decoders while this process loads the model
    model = model or load_model(threads=config.threads)
    model.calibration.operating_point(config.fpr, POOLED)  # raises what no file can change
    _detector(config)  # the same
    _face_detector(config)  # the same
    _hand_detector(config)  # the same
    stages = Stages(progress)
    stages.enter("provenance", "reading what it says of itself")
    provenance = _provenance(os.fsdecode(path), config)
    marks = Watermarks()
    report = _scan(os.fsdecode(path), model, config, stages, marks, gallery)
    if provenance is not None:
        stages.enter("watermarks", "looking for watermarks")
        provenance = replace(provenance, watermarks=marks.finish())
    return replace(report, provenance=provenance, run=stages.facts())


def _provenance(path: str, config: ScanConfig) -> Provenance | None:
    """Asked for first and apart from all else, so that files without a frame have it too."""
    try:
        # A list of boxes for each of a hundred thousand files is more than a report is worth.
        return look_at(path, trust_lists=config.trust_lists, listed_boxes=0)
    except MediaError:
        return None  # it cannot be opened at all, which the report's error says


def _scan(
    path: str,
    model: Model,
    config: ScanConfig,
    stages: Stages,
    marks: Watermarks,
    gallery: Gallery | None,
) -> Report:
    """The report, whatever happens to the file."""
    try:
        stages.enter("open", "opening")
        with open_media(path, config.limits) as reader:
            return _judge(path, reader, model, config, stages, marks, gallery)
    except MediaError as error:
        found = ScanError(error.code, error.message)
    except Exception as error:
        found = ScanError("internal", f"a defect of unreel, please report it: {error!r}")
    sha256, size = fingerprint(path)
    return Report(path, model.info, sha256=sha256, bytes=size, error=found)


def _judge(
    path: str,
    reader: Reader,
    model: Model,
    config: ScanConfig,
    stages: Stages,
    marks: Watermarks,
    gallery: Gallery | None,
) -> Report:
    stages.enter("shots", "looking for cuts")
    names = [name for name in config.lanes if name in EVIDENCE_LANES]
    finders = Finders(_detector(config), _hand_detector(config), _face_detector(config))
    beside = EvidenceLanes(names, reader, finders, config.max_findings, config.threads)
    sampling = replace(model.sampling, max_windows=config.max_windows or model.sampling.max_windows)
    likely = _frames_if_uncut(reader, sampling)
    shots = find_shots(reader, likely, closer=beside.closer, glance=beside.glance)
    windows = plan_windows(reader.pts_seconds, shots, sampling)

    learned = LearnedLane(model)
    guarded = GuardedLane(NAME, learned)
    lane_of_faces = faces.FacesLane(_face_detector(config))
    watched = GuardedLane(faces.NAME, lane_of_faces) if faces.NAME in config.lanes else None
    takers: list[_Taker] = [guarded, marks]
    if watched is not None:
        takers.append(watched)
    sampled = _read_windows(reader, windows, stages, takers)

    stages.enter("judge", "judging")
    media, calibration = reader.media, model.calibration
    bucket = calibration.bucket_of(media)
    evidence = calibrated(guarded.finish(), calibration)

    recheck_logit = None
    if config.recheck and within_reach(evidence, calibration, bucket, config.fpr):
        stages.enter("recheck", "re-encoding and judging again")
        evidence, recheck_logit = guarded.recheck(evidence, config.recheck_crf)

    stages.enter("evidence", "looking at objects and motion")
    found = beside.finish(shots)
    if watched is not None:
        stages.enter("faces", "judging faces")
        found = (*found, watched.finish())

    shot_scores = score_shots(shots, windows, evidence, calibration)
    verdict = decide(
        evidence,
        shots=shot_scores,
        recheck_logit=recheck_logit,
        calibration=calibration,
        bucket=bucket,
        fpr=config.fpr,
    )
    report = Report(
        path=path,
        model=model.info,
        media=media,
        sha256=media.sha256,
        bytes=media.bytes,
        verdict=verdict,
        shots=shot_scores,
        evidence=(evidence, *found),
        sampled_pts_seconds=tuple(sampled),
        recheck_score=None if recheck_logit is None else calibration.score(recheck_logit),
    )
    if gallery is not None:
        stages.enter("pictures", "keeping pictures for the report")
        gallery.take(report, reader, learned.pictures(), calibration.reference(bucket))
        gallery.faces = lane_of_faces.pictures()
    return report


def _detector(config: ScanConfig) -> ObjectDetector | None:
    """What names objects, loaded once for each file's path."""
    if config.object_detector is None or not config.lanes:
        return None
    return load_detector(config.object_detector)


def _face_detector(config: ScanConfig) -> FaceDetector | None:
    """What finds faces: the file that was named, else the published one where it was fetched."""
    path = chosen(config.face_detector, config.lanes)
    return load_face_detector(str(path)) if path else None


def _hand_detector(config: ScanConfig) -> HandDetector | None:
    """What finds hands, where it was asked for; the lane objects counts them."""
    if config.hand_detector is None or objects.NAME not in config.lanes:
        return None
    return load_hand_detector(config.hand_detector)


def _frames_if_uncut(reader: Reader, sampling: SamplingConfig) -> list[int]:
    """The frames that will be read if the video turns out to be a single shot."""
    whole = shots_of((), reader.pts_seconds, reader.media.duration_seconds)
    windows = plan_windows(reader.pts_seconds, whole, sampling)
    return sorted({position for window in windows for position in window.frame_indices})


class _Taker(Protocol):
    """What looks at the frames that are read."""

    def add(self, sample: Sample) -> None: ...


def _read_windows(
    reader: Reader, windows: Sequence[Window], stages: Stages, takers: Sequence[_Taker]
) -> list[tuple[float, ...]]:
    """Read the windows and pass them on; seconds of the frames of each one that was read.

    No window is held after the next one is asked for, nor the last one while the clip is judged.
    """
    sampled = []
    for number, window in enumerate(windows, start=1):
        stages.enter("read", f"reading stretch {number} of {len(windows)}")
        sample = _read(reader, window)
        if sample is not None:
            for taker in takers:
                taker.add(sample)
            sampled.append(tuple(float(time) for time in sample.pts_seconds))
        del sample  # two windows of large frames would be held while the next one is read
    return sampled


def _read(reader: Reader, window: Window) -> Sample | None:
    """The frames of a window, up to a cut inside it; None when all of them are damaged.

    Raises:
        MediaError: The decoder is gone: no other window can be read either.
    """
    try:
        sample = reader.read(window)
    except MediaError as error:
        if error.code != "unreadable":
            raise
        reader.warnings.append(error.message)
        return None
    if not is_seen_whole(reader.media):
        return split_at_cut(sample)  # of long videos only the cuts between key frames are known
    return sample
