"""From a manifest and folders of blends to the model folder of the faces lane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from unreel.data.canonical import condition as checked_condition
from unreel.data.manifest import FACE_FAMILIES, Clip, read_manifest
from unreel.data.pairs.pair_folder import pairs_of
from unreel.detector.errors import UsageError
from unreel.detector.faces.finding import FaceDetector
from unreel.detector.faces.published import face_detector_file
from unreel.training.face_cache import FaceCache
from unreel.training.face_evaluation import as_table, evaluation
from unreel.training.face_export import export_faces
from unreel.training.face_run import FaceRecipe, FaceTable


def run_faces(
    manifest: Path,
    pairs: Sequence[Path],
    out: Path,
    recipe: FaceRecipe,
    *,
    face_detector: Path | None = None,
    condition: str = "canonical",
    cache_folder: Path = Path("cache/faces"),
    encodes: Path | None = None,
    workers: int = 2,
    tell: Callable[[str], None] = lambda _: None,
) -> Path:
    """Look at all faces, measure by folds, write tables.md and the model folder.

    Args:
        manifest: Camera clips and manipulated ones.
        pairs: Folders of `unreel pairs face-blend`.
        out: The run folder.
        recipe: Of the heads.
        face_detector: ONNX file; None = the published one.
        condition: Under which clips of the manifest are compared.
        cache_folder: Where numbers of faces are kept.
        encodes: See FaceCache.
        workers: Clips at once.
        tell: Receives progress lines.

    Returns:
        The model folder.

    Raises:
        UsageError: A class has no clip with a face, or no detector is there.
    """
    checked_condition(condition)
    clips = [c for c in read_manifest(manifest) if c.label == "real" or c.family in FACE_FAMILIES]
    if missing := [c.path for c in clips if not c.sha256]:
        raise UsageError(
            f"{len(missing)} clips of {manifest} have no sha256, by which their faces are kept, "
            f"e.g. {missing[0]}: add the column sha256"
        )
    blends = [c for folder in pairs for halves in pairs_of(folder).values() for c in halves]
    cache = FaceCache(cache_folder, FaceDetector(face_detector_file(face_detector)), encodes)
    cache.fill(clips, [condition], workers=workers, tell=tell)
    cache.fill(blends, ["raw"], workers=workers, tell=tell)
    return finish_faces(clips, blends, cache, out, recipe, condition)


def finish_faces(
    clips: Sequence[Clip],
    blends: Sequence[Clip],
    cache: FaceCache,
    out: Path,
    recipe: FaceRecipe,
    condition: str,
) -> Path:
    """What comes after looking: seconds."""
    table = FaceTable([*clips, *blends], cache, condition)
    if len(set(table.labels[table.found])) < 2:
        raise UsageError(
            f"{len(table.rows)} clips with faces are of one class; needed are camera clips and "
            f"clips of the families {', '.join(sorted(FACE_FAMILIES))}"
        )
    held_out, results = evaluation(table, recipe)
    out.mkdir(parents=True, exist_ok=True)
    (out / "tables.md").write_text(as_table(results), encoding="utf-8")
    export_faces(table, recipe, held_out, results, out / "model")
    return out / "model"
