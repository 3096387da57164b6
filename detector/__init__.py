"""How strongly does the evidence speak for a video being generated or manipulated?

    from unreel.detector import scan_video
    report = scan_video("clip.mp4")
    print(report.verdict.label, report.verdict.score)

Names are loaded on first use, so that `import unreel.detector` costs nothing and `unreel --help`
waits for no decoder.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unreel.detector.config import Limits, ScanConfig
    from unreel.detector.errors import MediaError, ModelError, UnreelError
    from unreel.detector.jsonout import to_json
    from unreel.detector.model import load_model
    from unreel.detector.records import Report, Verdict
    from unreel.detector.scan import scan_video
    from unreel.detector.text import to_text

__all__ = [
    "Limits",
    "MediaError",
    "ModelError",
    "Report",
    "ScanConfig",
    "UnreelError",
    "Verdict",
    "load_model",
    "scan_video",
    "to_json",
    "to_text",
]

_HOMES = {
    "Limits": "config",
    "MediaError": "errors",
    "ModelError": "errors",
    "Report": "records",
    "ScanConfig": "config",
    "UnreelError": "errors",
    "Verdict": "records",
    "load_model": "model",
    "scan_video": "scan",
    "to_json": "jsonout",
    "to_text": "text",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
