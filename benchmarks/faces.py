"""What the faces lane costs: sixteen frames searched, followed, cut out and judged.

    python benchmarks/faces.py clip.mp4 --face-detector FILE

Frames are read before the clock starts, as a scan has them already. The best of five runs counts.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from unreel.detector.config import SamplingConfig
from unreel.detector.faces.finding import FaceDetector
from unreel.detector.faces.judging import load_face_model
from unreel.detector.faces.published import face_detector_file
from unreel.detector.lanes.faces import FacesLane
from unreel.detector.media import open_media
from unreel.detector.sampling import plan_windows
from unreel.detector.shots import find_shots

RUNS = 5
WINDOWS = 2
"""Of eight frames."""


def main() -> None:
    """Print seconds for each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--face-detector", type=Path)
    asked = parser.parse_args()
    detector = FaceDetector(face_detector_file(asked.face_detector))
    load_face_model()
    with open_media(str(asked.clip)) as reader:
        plan = plan_windows(reader.pts_seconds, find_shots(reader), SamplingConfig())[:WINDOWS]
        samples = [reader.read(window) for window in plan]
    frames = sum(len(sample.frames) for sample in samples)
    seconds = []
    for _ in range(RUNS):
        lane = FacesLane(detector)
        began, used = time.perf_counter(), time.process_time()
        for sample in samples:
            lane.add(sample)
        found = lane.finish()
        seconds.append((time.perf_counter() - began, time.process_time() - used))
    wall, processor = min(seconds)
    height, width = samples[0].frames.shape[1:3]
    print(f"{frames} frames of {width}x{height}, {detector.kind}: {wall:.2f} s, "
          f"{processor:.2f} s of a processor; {found.status}")  # fmt: skip


if __name__ == "__main__":
    main()
