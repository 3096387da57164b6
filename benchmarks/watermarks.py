"""How often watermark decoders say "found": of camera footage, of generated clips, after H.264.

    python benchmarks/watermarks.py ../shared/corpus            the tables
    python benchmarks/watermarks.py ../shared/corpus --write    and detector/watermarks/rates.json

Every clip is read as a scan reads it. Camera clips that a decoder calls marked are false alarms.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from unreel.detector.config import SamplingConfig
from unreel.detector.errors import MediaError
from unreel.detector.media import open_media
from unreel.detector.provenance.records import Watermark
from unreel.detector.sampling import plan_windows
from unreel.detector.shots import find_shots
from unreel.detector.watermarks.decoders import Watermarks
from unreel.detector.watermarks.stable_diffusion import MESSAGES, StableDiffusionDecoder

ROOT = Path(__file__).resolve().parents[1]
RATES = ROOT / "detector/watermarks/rates.json"
sys.path.insert(0, str(ROOT / "tests"))
from make_watermarks import marked  # noqa: E402  # found through the line above

SURVIVAL_CLIPS = 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="folder with manifest.csv and clips/")
    parser.add_argument("--write", action="store_true", help="renew rates.json")
    parser.add_argument("--only", metavar="LABEL", help="real, generated or manipulated")
    asked = parser.parse_args()
    with (asked.corpus / "manifest.csv").open(encoding="utf-8") as handle:
        rows = [r for r in csv.DictReader(handle) if asked.only in (None, r["label"])]
    found = of_corpus(asked.corpus, rows)
    rates = print_table(found)
    print_survival(asked.corpus, [row for row in rows if row["label"] == "real"])
    if asked.write:
        RATES.write_text(json.dumps(rates, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def of_corpus(
    corpus: Path, rows: list[dict[str, str]]
) -> dict[tuple[str, str], list[tuple[str, Watermark]]]:
    """(decoder, label) -> clips and what was said of them."""
    found: dict[tuple[str, str], list[tuple[str, Watermark]]] = defaultdict(list)
    seconds, windows_read = 0.0, 0
    for row in rows:
        marks = Watermarks()
        try:
            with open_media(corpus / row["path"]) as reader:
                plan = plan_windows(reader.pts_seconds, find_shots(reader), SamplingConfig())
                for window in plan:
                    try:
                        sample = reader.read(window)
                    except MediaError:
                        continue
                    started = time.process_time()
                    marks.add(sample)
                    seconds += time.process_time() - started
                    windows_read += 1
        except MediaError as error:
            print("not read:", row["path"], error.code)
        started = time.process_time()
        for mark in marks.finish():
            found[mark.decoder, row["label"]].append((row["path"], mark))
        seconds += time.process_time() - started
    print(
        f"{1000 * seconds / max(1, windows_read):.0f} ms of processor time a window, all decoders"
    )
    return found


def print_table(
    found: dict[tuple[str, str], list[tuple[str, Watermark]]],
) -> dict[str, dict[str, float]]:
    """Print counts and the largest values; returns the rates of camera clips."""
    rates: dict[str, dict[str, float]] = {}
    print("\n| decoder | clips | looked at | found | largest values where not found |")
    print("|---|---|---|---|---|")
    for (decoder, label), marks in sorted(found.items()):
        looked = [mark for _, mark in marks if mark.status in ("found", "not-found")]
        hits = [(path, mark) for path, mark in marks if mark.status == "found"]
        rest = sorted((m.value or -1.0 for m in looked if m.status != "found"), reverse=True)
        top = " ".join(f"{value:.2f}" for value in rest[:5])
        print(f"| {decoder} | {label} ({len(marks)}) | {len(looked)} | {len(hits)} | {top} |")
        for path, mark in hits:
            print(f"  {path}: {mark.says}")
        if label == "real":
            rates[decoder] = {"camera_clips": len(looked), "found": len(hits)}
    return rates


def print_survival(corpus: Path, rows: list[dict[str, str]]) -> None:
    """Mark frames of camera clips and read them back after H.264."""
    message = MESSAGES["Stable Diffusion XL or Stable Video Diffusion"]
    clips = [frames for row in rows[:: max(1, len(rows) // SURVIVAL_CLIPS)]
             if (frames := first_frames(corpus / row["path"])) is not None]  # fmt: skip
    print(f"\n| {len(clips)} marked camera clips, then | found | median correlation |")
    print("|---|---|---|")
    whole = [correlation(np.stack([marked(f, message) for f in frames])) for frames in clips]
    print(f"| nothing | {sum(w.status == 'found' for w in whole)} | {median(whole):.2f} |")
    for pixel_format in ("yuv444p", "yuv420p"):
        for crf in (0, 10, 18, 23, 28):
            said = []
            for frames in clips:
                stack = np.stack([marked(frame, message) for frame in frames])
                said.append(correlation(through_h264(stack, crf, pixel_format)))
            hits = sum(mark.status == "found" for mark in said)
            print(f"| H.264 {pixel_format} crf {crf} | {hits} | {median(said):.2f} |")


def first_frames(path: Path, count: int = 4) -> NDArray[np.uint8] | None:
    """A few frames of at least 256x256, even in size; None where there are none."""
    try:
        with av.open(str(path)) as opened:
            frames = []
            for frame in opened.decode(video=0):
                frames.append(frame.to_ndarray(format="rgb24"))
                if len(frames) == count:
                    break
    except (av.FFmpegError, IndexError):
        return None
    if not frames or frames[0].shape[0] * frames[0].shape[1] < 256 * 256:
        return None
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    return np.stack([frame[:height, :width] for frame in frames])


def through_h264(frames: NDArray[np.uint8], crf: int, pixel_format: str) -> NDArray[np.uint8]:
    """Encode and decode once."""
    with tempfile.NamedTemporaryFile(suffix=".mkv") as file:
        with av.open(file.name, "w") as out:
            stream = out.add_stream("libx264", rate=8, options={"crf": str(crf)})
            stream.width, stream.height = frames.shape[2], frames.shape[1]
            stream.pix_fmt = pixel_format
            for picture in frames:
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            out.mux(stream.encode())
        with av.open(file.name) as opened:
            return np.stack([f.to_ndarray(format="rgb24") for f in opened.decode(video=0)])


def correlation(frames: NDArray[np.uint8]) -> Watermark:
    from unreel.detector.records import Sample, Window

    decoder = StableDiffusionDecoder()
    count = len(frames)
    window = Window(0, tuple(range(count)), 0.0, float(count))
    decoder.add(Sample(window, frames, np.arange(count, dtype=np.float64)))
    return decoder.finish()


def median(marks: list[Watermark]) -> float:
    return float(np.median([mark.value or 0.0 for mark in marks]))


if __name__ == "__main__":
    main()
