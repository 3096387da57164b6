"""Write the model folder of a retrained model: the old one with another head, and what it cost."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from unreel.detector.errors import UsageError
from unreel.detector.model import load_model
from unreel.training.bank import FILE, save_bank
from unreel.training.before_after import Gate, table
from unreel.training.calibrate import write_calibration
from unreel.training.few_shot import curve_table
from unreel.training.heads import put_head
from unreel.training.retrain import Retrained

_CARD = """

## Retrained on {generator}
From {name} {version}, with {learnt} clips of `{generator}` ({tested} of them held out for the table
below and learnt afterwards), {camera} new camera clips, {pairs} pairs of camera clips and their
reconstructions, and a bank of {banked} clips replayed. The
encoder is unchanged; head and calibration are new.{old_pictures}

{verdict}

{table}

{curve}

{notes}"""


def summary(found: Retrained, refused: Sequence[str], gate: Gate) -> str:
    """Tables, notes and the gate's word, for a terminal."""
    parts = [table(found.rows), curve_table(found.points)]
    if found.notes:
        parts.append("\n".join(f"- {note}" for note in found.notes))
    parts.append(_verdict(refused, gate, forced=False))
    return "\n\n".join(parts)


def write_model(
    found: Retrained, source: Path, folder: Path, refused: Sequence[str], gate: Gate
) -> None:
    """Write the folder.

    Args:
        found: From `retrain`.
        source: The model it started from.
        folder: Where; must not be there.
        refused: What the gate said; written down when it is written all the same.
        gate: Its margins.

    Raises:
        UsageError: `folder` is there.
    """
    if folder.exists():
        raise UsageError(f"{folder} is there already: take another --out")
    old = load_model(source)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial, ignore=shutil.ignore_patterns("DONE", FILE))
    whole = put_head(partial, found.head)
    save_file({"weight": found.head.weight.astype("float32")}, partial / "head.safetensors",
              metadata={"offset": repr(found.head.offset)})  # fmt: skip
    _renew_config(partial / "config.json", found)
    write_calibration(partial / "calibration.json", found.held_out)
    save_bank(partial / FILE, found.bank)
    measured = {
        "generator": found.generator,
        "rows": [r.as_dict() for r in found.rows],
        "refused": list(refused),
    }
    (partial / "metrics.json").write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    card = _card(found, old.info.name, old.info.version, refused, gate, whole)
    previous = (source / "MODEL_CARD.md").read_text(encoding="utf-8")
    (partial / "MODEL_CARD.md").write_text(previous.rstrip() + card + "\n", encoding="utf-8")
    (partial / "DONE").touch()
    load_model(partial, threads=1)  # what cannot be loaded is not handed on
    partial.rename(folder)


def _renew_config(path: Path, found: Retrained) -> None:
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    slug = re.sub(r"[^a-z0-9]+", "-", found.generator.lower()).strip("-") or "retrained"
    config["version"] = f"{config['version']}+{slug}"
    config["retrained"] = [*config.get("retrained", ()), found.generator]
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _verdict(refused: Sequence[str], gate: Gate, forced: bool) -> str:
    if not refused:
        return (
            f"Gate: passed (no old family lost more than {gate.margin:g} AUC, false alarms grew by "
            f"at most {gate.fpr_margin:.1%})."
        )
    head = "Gate: refused" + (", and written all the same (--force)" if forced else "")
    return "\n".join([f"{head}:", *(f"- {line}" for line in refused)])


def _card(
    found: Retrained, name: str, version: str, refused: Sequence[str], gate: Gate, whole: bool
) -> str:
    new = [c for c, n in zip(found.bank.clips, found.new, strict=True) if n]
    single = [c for c in new if not c.pair_id]
    return _CARD.format(
        generator=found.generator,
        name=name,
        version=version,
        learnt=sum(c.is_positive for c in single),
        tested=int(found.tested.sum()),
        camera=sum(not c.is_positive for c in single),
        pairs=(len(new) - len(single)) // 2,
        banked=len(found.bank.clips) - len(new),
        old_pictures=""
        if whole
        else " Heat maps and frame scores are still those of the old head.",
        verdict=_verdict(refused, gate, forced=True),
        table=table(found.rows),
        curve=curve_table(found.points),
        notes="\n".join(f"- {note}" for note in found.notes),
    ).rstrip()
