"""Model folders to and from other places: a folder, or a repository on a Hugging Face hub.

What travels is the model folder, a list of the sha256 of its files, and a README.md with the card
and its metadata as hubs read them. Nothing else is sent and nothing else is taken: graphs, weights
as safetensors, JSON, Markdown. With a folder as the other side no connection is opened.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Protocol

from unreel.detector.errors import ModelError, UsageError
from unreel.detector.model import load_model

SUMS = "SHA256SUMS"
CARD = "MODEL_CARD.md"
HUB = "hf://"
ALLOWED = re.compile(r"(?:[\w.-]+\.(?:onnx|safetensors|json|md|npz)|DONE|SHA256SUMS)", re.ASCII)
"""Names that a model folder may hold; pickles and code are none of them."""
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+(?:@[\w./-]+)?", re.ASCII)


class Api(Protocol):
    """What is used of huggingface_hub.HfApi."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> Any:
        """Make a repository."""

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> Any:
        """Send a folder as one commit."""

    def snapshot_download(
        self, repo_id: str, *, revision: str | None, local_dir: str, allow_patterns: list[str]
    ) -> Any:
        """Fetch a repository."""


def push(folder: Path, target: str, *, private: bool = True, api: Api | None = None) -> str:
    """Hand a model on.

    Args:
        folder: A model folder that loads.
        target: A folder that is not there yet, or hf://OWNER/NAME.
        private: Of a repository that has to be made.
        api: Speaks to the hub; None = huggingface_hub with the login of this machine.

    Returns:
        Where it is now.

    Raises:
        ModelError: The folder is no usable model.
        UsageError: It holds what is no part of a model, or the target cannot be written.
    """
    load_model(folder, threads=1)
    names = _names(folder)
    if target.startswith(HUB):
        repository, _ = _repository(target)
        with tempfile.TemporaryDirectory() as scratch:
            _copy(folder, Path(scratch), names)
            hub = api or _hub()
            hub.create_repo(repository, private=private, exist_ok=True)
            hub.upload_folder(
                repo_id=repository, folder_path=scratch, commit_message="Add the model"
            )
        return f"{HUB}{repository}"
    place = Path(target)
    if place.exists():
        raise UsageError(f"{place} is there already: it is not overwritten")
    partial = place.with_name(place.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _copy(folder, partial, names)
    os.replace(partial, place)
    return str(place)


def pull_folder(
    source: str, into: Path, *, sha256: str | None = None, api: Api | None = None
) -> Path:
    """Take a model over, checked before it is put in its place.

    Args:
        source: A folder, or hf://OWNER/NAME[@REVISION].
        into: Model folder to make.
        sha256: Of the model, as `unreel models list` shows it; needed for a hub.
        api: As of `push`.

    Raises:
        UsageError: A file is missing, is another one than it must be, or has no business there.
        ModelError: It does not load.
    """
    if into.exists():
        raise UsageError(f"{into} is there already: it is not overwritten")
    remote = source.startswith(HUB)
    if remote and not sha256:
        raise UsageError(
            f"{source} needs --sha256: that of the model, as `unreel models list` shows it where "
            "the model was made. A model decides verdicts, so it is not taken on trust"
        )
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
        place = Path(scratch) / into.name
        if remote:
            repository, revision = _repository(source)
            place.mkdir()
            (api or _hub()).snapshot_download(
                repository, revision=revision, local_dir=str(place),
                allow_patterns=["*.onnx", "*.safetensors", "*.json", "*.md", "*.npz", "DONE", SUMS],
            )  # fmt: skip
            shutil.rmtree(place / ".cache", ignore_errors=True)  # the hub's own bookkeeping
        else:
            names = [*_names(Path(source)), *([SUMS] if (Path(source) / SUMS).exists() else [])]
            place.mkdir()
            for name in dict.fromkeys(names):
                shutil.copyfile(Path(source) / name, place / name)
        _check(place, source)
        found = load_model(place, threads=1).info.sha256
        if sha256 and found != sha256.lower():
            raise UsageError(f"{source} is model {found}, wanted was {sha256}: it was not kept")
        os.replace(place, into)
    return into


def _names(folder: Path) -> list[str]:
    """Files of a model folder, DONE last."""
    names = sorted(p.name for p in folder.iterdir())
    strange = [n for n in names if not ALLOWED.fullmatch(n) or not _plain(folder / n)]
    if strange:
        raise UsageError(
            f"{folder / strange[0]} is no part of a model: graphs (.onnx), .safetensors, .json, "
            ".md and bank.npz are"
        )
    return sorted((n for n in names if n not in (SUMS, "README.md")), key=lambda n: n == "DONE")


def _plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _copy(folder: Path, target: Path, names: list[str]) -> None:
    for name in names:
        shutil.copyfile(folder / name, target / name)
    (target / "README.md").write_text(card_with_metadata(folder), encoding="utf-8")
    lines = [f"{_sha256(target / n)}  {n}" for n in names]
    (target / SUMS).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _check(place: Path, source: str) -> None:
    """Hold what came against the list that came with it, where there is one."""
    names = _names(place)
    if not (place / SUMS).exists():
        return  # a folder that was never pushed; its graphs are checked by config.json
    listed = {}
    for line in (place / SUMS).read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    if missing := sorted(set(listed) - {p.name for p in place.iterdir()}):
        raise UsageError(f"{source} lacks {missing[0]}, which its {SUMS} lists: it was not kept")
    for name in names:
        if listed.get(name) != _sha256(place / name):
            raise UsageError(f"{name} of {source} is not the file that its {SUMS} lists")


def card_with_metadata(folder: Path) -> str:
    """README.md of a repository: metadata that hubs read, then the model card."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    try:
        card = (folder / CARD).read_text(encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{folder} has no {CARD}: a model is not handed on without it") from error
    fields = {
        "library_name": "unreel",
        "pipeline_tag": "video-classification",
        "tags": ["video-forensics", "generated-video-detection", "onnx"],
        "model_name": f"{config['name']} {config['version']}",
        "backbone": str(config.get("backbone", "")),
        "interface_version": config["interface_version"],
    }
    # JSON is YAML: a name that holds a colon or a quote cannot change the fields.
    lines = [f"{key}: {json.dumps(value)}" for key, value in fields.items()]
    return "\n".join(["---", *lines, "---", "", card])


def _repository(address: str) -> tuple[str, str | None]:
    name = address.removeprefix(HUB)
    if not _REPOSITORY.fullmatch(name):
        raise UsageError(f"{address} is no address of a hub: hf://OWNER/NAME or with @REVISION")
    repository, _, revision = name.partition("@")
    return repository, revision or None


def _hub() -> Api:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub

    api: Api = huggingface_hub.HfApi()
    return api


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
