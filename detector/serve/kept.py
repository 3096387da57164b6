"""Pictures of a scan, kept beside the store for reports that are made when somebody asks for one.

    FOLDER/pictures/SHA256.npz    what a report shows: JPEG frames, grids of logits, times
    FOLDER/pictures/SHA256.jpg    one small frame for lists

They are of bytes, as results are: the same clip under two names has them once.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unreel.detector.gallery import Gallery, KeyFrame, Scene, picture_size
from unreel.detector.records import FacePicture, Reference

JPEG_QUALITY = 90
THUMBNAIL_LONG_SIDE = 192
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Kept:
    """The folder of pictures.

    Args:
        folder: Of the server.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "pictures"
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _path(self, sha256: str, ending: str) -> Path:
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"got {sha256!r}, 64 hexadecimal digits are allowed")
        return self.root / f"{sha256}{ending}"

    def keep(self, sha256: str, gallery: Gallery) -> None:
        """Write the pictures of one scan, whole or not at all."""
        _write(self._path(sha256, ".npz"), _packed(gallery))
        if gallery.key_frames:
            middle = gallery.key_frames[len(gallery.key_frames) // 2]
            _write(self._path(sha256, ".jpg"), thumbnail(middle.frame))

    def gallery(self, sha256: str | None) -> Gallery:
        """The pictures of a scan; an empty gallery when there are none."""
        if sha256 is None or not self._path(sha256, ".npz").is_file():
            return Gallery()
        with np.load(self._path(sha256, ".npz"), allow_pickle=False) as arrays:
            return _unpacked({name: arrays[name] for name in arrays.files})

    def has_picture(self, sha256: str | None) -> bool:
        """Whether there is a thumbnail."""
        return sha256 is not None and self._path(sha256, ".jpg").is_file()

    def thumbnail(self, sha256: str | None) -> bytes | None:
        """A small JPEG; None = there is none."""
        if sha256 is None:
            return None
        try:
            return self._path(sha256, ".jpg").read_bytes()
        except OSError:
            return None

    def delete(self, sha256: str) -> None:
        """Take both away."""
        for ending in (".npz", ".jpg"):
            self._path(sha256, ending).unlink(missing_ok=True)

    def delete_others(self, wanted: set[str], older_than: float) -> None:
        """Take away what belongs to no clip any more.

        Args:
            wanted: SHA-256 of the clips that there are.
            older_than: Seconds since 1970; a scan that has just ended is not in the list yet.
        """
        for path in self.root.iterdir():
            if path.stem not in wanted and path.stat().st_mtime < older_than:
                path.unlink(missing_ok=True)


def thumbnail(frame: NDArray[np.uint8]) -> bytes:
    """A frame (h, w, 3) RGB as a small JPEG."""
    import cv2

    height, width = frame.shape[:2]
    size = picture_size(width, height, THUMBNAIL_LONG_SIDE)
    return _jpeg(np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8), 78)


def _jpeg(frame: NDArray[np.uint8], quality: int = JPEG_QUALITY) -> bytes:
    import cv2

    bgr = np.ascontiguousarray(frame[..., ::-1])
    coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return bytes(coded.tobytes())


def _frame(coded: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    bgr = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(bgr[..., ::-1])


def _packed(gallery: Gallery) -> bytes:
    arrays: dict[str, Any] = {
        "frame_logits": np.array(gallery.frame_logits, np.float64).reshape(-1, 2),
        "key_places": np.array([(k.shot, k.t) for k in gallery.key_frames]).reshape(-1, 2),
        "scenes": np.array([s is not None for s in gallery.scenes], bool),
    }
    for number, key in enumerate(gallery.key_frames):
        arrays[f"key_{number}"] = np.frombuffer(_jpeg(key.frame), np.uint8)
        if key.patch_logits is not None:
            arrays[f"patches_{number}"] = key.patch_logits
    for number, scene in enumerate(gallery.scenes):
        if scene is not None:
            arrays[f"times_{number}"] = scene.pts_seconds
            for position, frame in enumerate(scene.frames):
                arrays[f"scene_{number}_{position}"] = np.frombuffer(_jpeg(frame), np.uint8)
    for number, face in enumerate(gallery.faces):
        arrays[f"face_{number}"] = np.frombuffer(_jpeg(face.crop), np.uint8)
        arrays[f"face_places_{number}"] = face.patch_logits
    arrays["faces"] = np.array([(f.track, f.t) for f in gallery.faces]).reshape(-1, 2)
    if gallery.reference is not None:
        found = gallery.reference
        arrays["bucket"] = np.array(found.bucket)
        arrays["camera_scores"] = np.array(found.camera_scores)
        arrays["generated_scores"] = np.array(found.generated_scores)
        arrays["clips"] = np.array([found.camera_clips, found.generated_clips])
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def _unpacked(arrays: dict[str, Any]) -> Gallery:
    keys = tuple(
        KeyFrame(int(shot), float(t), _frame(arrays[f"key_{n}"]), arrays.get(f"patches_{n}"))
        for n, (shot, t) in enumerate(arrays["key_places"])
    )
    scenes: list[Scene | None] = []
    for number, there in enumerate(arrays["scenes"]):
        if not there:
            scenes.append(None)
            continue
        times = arrays[f"times_{number}"]
        frames = [_frame(arrays[f"scene_{number}_{p}"]) for p in range(len(times))]
        scenes.append(Scene(times, np.stack(frames)))
    reference = None
    if "clips" in arrays:
        reference = Reference(
            str(arrays["bucket"]),
            tuple(arrays["camera_scores"].tolist()),
            tuple(arrays["generated_scores"].tolist()),
            *(int(count) for count in arrays["clips"]),
        )
    logits = tuple((float(t), float(x)) for t, x in arrays["frame_logits"])
    faces = tuple(
        FacePicture(int(track), float(t), _frame(arrays[f"face_{n}"]), arrays[f"face_places_{n}"])
        for n, (track, t) in enumerate(arrays.get("faces", ()))  # older files have none
    )
    return Gallery(keys, logits, tuple(scenes), reference, faces)


def _write(path: Path, data: bytes) -> None:
    unfinished = path.with_suffix(path.suffix + ".part")
    unfinished.write_bytes(data)
    unfinished.replace(path)
