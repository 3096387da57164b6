"""From the JSON of the C2PA library to records and to words that a person understands."""

from __future__ import annotations

from typing import Any

from unreel.detector.provenance.bounded import text_of
from unreel.detector.provenance.records import Action, C2pa, C2paState, Manifest

MAX_INGREDIENTS = 50
MAX_DEPTH = 8
MAX_ACTIONS = 50
MAX_FAILURES = 20

SOURCE_TYPES = {
    "trainedAlgorithmicMedia": "made by a generative model",
    "compositeWithTrainedAlgorithmicMedia": "composed, in part by a generative model",
    "algorithmicMedia": "made by an algorithm that was not trained on media",
    "algorithmicallyEnhanced": "changed by an algorithm",
    "compositeSynthetic": "composed, in part synthetic",
    "composite": "composed of several sources",
    "compositeCapture": "composed of captures alone",
    "digitalCapture": "captured by a camera",
    "computationalCapture": "captured by a camera and computed from several exposures",
    "virtualRecording": "a recording of a virtual scene",
    "screenCapture": "a recording of a screen",
    "digitalCreation": "made by a person with software",
    "digitalArt": "made by a person with software",
    "softwareImage": "made by software",
    "dataDrivenMedia": "drawn from data",
    "humanEdits": "edited by a person",
    "minorHumanEdits": "edited by a person in small ways",
    "negativeFilm": "scanned from film",
    "positiveFilm": "scanned from film",
    "print": "scanned from print",
    "trainedAlgorithmicData": "data made by a generative model",
    "empty": "begun from an empty canvas",
}
"""IPTC NewsCodes "digitalsourcetype" (and two of C2PA's own), in words."""

FAILURES = {
    "assertion.bmffHash.mismatch": "the video is not the one that was signed: its bytes changed",
    "assertion.dataHash.mismatch": "the picture is not the one that was signed: its bytes changed",
    "assertion.boxesHash.mismatch": "the picture is not the one that was signed: its parts changed",
    "assertion.hashedURI.mismatch": "a statement of the manifest was changed after signing",
    "assertion.missing": "a statement that was signed is missing",
    "assertion.notRedacted": "a statement is missing that may not be left out",
    "claimSignature.mismatch": "the signature does not fit the claim",
    "claimSignature.missing": "there is no signature",
    "claimSignature.outsideValidity": "signed when the certificate was not valid",
    "claim.missing": "there is no claim in the manifest",
    "claim.multiple": "there is more than one claim in the manifest",
    "signingCredential.invalid": "the certificate may not sign such claims",
    "signingCredential.expired": "the certificate had expired",
    "signingCredential.untrusted": "the signer is not on the trust list",
    "signingCredential.ocsp.revoked": "the certificate was revoked",
    "timeStamp.mismatch": "the time stamp is not of this signature",
    "timeStamp.untrusted": "the time stamp is of an authority that is not on the list",
    "ingredient.manifest.mismatch": "the manifest of an ingredient was changed",
    "hardBindings.missing": "nothing ties the manifest to this file",
    "manifest.inaccessible": "the manifest lies elsewhere and is not fetched",
}
"""Failure codes of the C2PA specification (section 15, validation), in words."""

FORMATS = {
    "mp4": "video/mp4",
    "quicktime": "video/quicktime",
    "avi": "video/avi",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
}
"""Formats in which C2PA has a place for manifests -> MIME type."""

NO_MANIFEST = "no C2PA manifest (says nothing: platforms strip them)"


def claims_of(answer: dict[str, Any], *, trust_list: bool) -> C2pa:
    """The record of what the library answered.

    Args:
        answer: From C2paProcess.ask.
        trust_list: Whether one was given.
    """
    if "error" in answer:
        return _without_store(answer, trust_list)
    store = _dict(answer.get("store"))
    states: dict[str, C2paState] = {"Trusted": "trusted", "Valid": "untrusted"}
    state = states.get(str(answer.get("state")), "invalid")
    manifests = _dict(store.get("manifests"))
    active = str(store.get("active_manifest", ""))
    manifest = _manifest(active, manifests, None, (), MAX_DEPTH, [MAX_INGREDIENTS])
    failures = _failures(_dict(store.get("validation_results")))
    return _verified(state, manifest, failures, trust_list)


def _without_store(answer: dict[str, Any], trust_list: bool) -> C2pa:
    kind, message = str(answer["error"]), text_of(str(answer.get("message", "")), 200)
    state: C2paState
    if kind == "ManifestNotFound":
        state, words = "none", NO_MANIFEST
    elif kind == "NotSupported":
        state, words = "unsupported-format", "C2PA cannot be read in this format"
    elif kind == "RemoteManifest":
        state, words = "not-checked", "the C2PA manifest lies elsewhere: it is not fetched"
    elif kind in ("Died", "Timeout", "TooLarge", "MemoryError"):
        state, words = "failed", f"the C2PA manifest could not be checked ({kind}: {message})"
    else:
        state, words = "invalid", f"the C2PA manifest cannot be read ({kind}: {message})"
        return C2pa(state, words, failures=(f"{kind}: {message}",), trust_list=trust_list)
    return C2pa(state, words, trust_list=trust_list)


def _verified(
    state: C2paState, manifest: Manifest, failures: tuple[str, ...], trust_list: bool
) -> C2pa:
    who = manifest.signer or manifest.issuer or "an unnamed signer"
    if manifest.issuer and manifest.issuer != who:
        who = f"{who} ({manifest.issuer})"
    if state == "trusted":
        words = f"C2PA manifest signed by {who}: it verifies, and the signer is on the trust list"
    elif state == "untrusted":
        listed = "is not on the trust list given" if trust_list else "was held against no list"
        words = (
            f"C2PA manifest signed by {who}: it verifies, but the signer {listed}, and anyone can "
            "sign with a certificate of their own"
        )
    else:
        why = "; ".join(FAILURES.get(f.partition(": ")[0], f) for f in failures[:3])
        words = f"C2PA manifest of {who} that does NOT verify: {why or 'no reason given'}"
    return C2pa(state, words, manifest, failures, trust_list)


def _failures(results: dict[str, Any]) -> tuple[str, ...]:
    """Codes and explanations of what failed, of the manifest and then of its ingredients.

    That the signer is on no list is a state of its own and no failure.
    """
    deltas = _list(results.get("ingredientDeltas"))
    blocks = [_dict(results.get("activeManifest"))]
    blocks += [_dict(_dict(delta).get("validationDeltas")) for delta in deltas]
    found: list[str] = []
    for block in blocks:
        for item in _list(block.get("failure")):
            entry = _dict(item)
            code = text_of(str(entry.get("code", "")), 100)
            if code == "signingCredential.untrusted":
                continue
            said = text_of(str(entry.get("explanation", "")), 200)
            line = f"{code}: {said}" if said else code
            if line not in found:
                found.append(line)
    return tuple(found[:MAX_FAILURES])


def _manifest(
    label: str,
    manifests: dict[str, Any],
    relationship: str | None,
    failures: tuple[str, ...],
    depth: int,
    left: list[int],
    title: str | None = None,
) -> Manifest:
    """One manifest and what it was made from; depth and number of ingredients are bounded."""
    entry = _dict(manifests.get(label))
    actions = _actions(entry)
    types = [action.source_type for action in actions if action.source_type]
    ingredients: list[Manifest] = []
    for item in _list(entry.get("ingredients")):
        if depth == 0 or left[0] <= 0:
            break
        left[0] -= 1
        below = _dict(item)
        ingredients.append(
            _manifest(
                str(below.get("active_manifest", "")),
                manifests,
                _text(below.get("relationship")),
                _failures(_dict(below.get("validation_results"))),
                depth - 1,
                left,
                _text(below.get("title")),
            )
        )
    signature = _dict(entry.get("signature_info"))
    return Manifest(
        label=text_of(label, 200),
        title=title or _text(entry.get("title")),
        generator=_generator(entry),
        signer=_text(signature.get("common_name")),
        issuer=_text(signature.get("issuer")),
        signed_at=_text(signature.get("time")),
        actions=actions,
        source_types=tuple(dict.fromkeys(types)),
        relationship=relationship,
        failures=failures,
        ingredients=tuple(ingredients),
    )


def _generator(entry: dict[str, Any]) -> str | None:
    names = []
    for item in _list(entry.get("claim_generator_info")):
        info = _dict(item)
        names.append(
            " ".join(p for p in (_text(info.get("name")), _text(info.get("version"))) if p)
        )
    return ", ".join(name for name in names if name) or _text(entry.get("claim_generator"))


def _actions(entry: dict[str, Any]) -> tuple[Action, ...]:
    found: list[Action] = []
    for item in _list(entry.get("assertions")):
        assertion = _dict(item)
        if not str(assertion.get("label", "")).startswith("c2pa.actions"):
            continue
        for action in _list(_dict(assertion.get("data")).get("actions")):
            said = _dict(action)
            agent = said.get("softwareAgent")
            named = _dict(agent)
            software = agent if isinstance(agent, str) else named.get("name")
            found.append(
                Action(
                    name=text_of(str(said.get("action", "")), 100),
                    source_type=source_type(said.get("digitalSourceType")),
                    software=_text(software),
                    when=_text(said.get("when")),
                    description=_text(said.get("description")),
                )
            )
    return tuple(found[:MAX_ACTIONS])


def source_type(value: object) -> str | None:
    """Last part of a digitalSourceType address; None where there is none."""
    if not isinstance(value, str) or not value:
        return None
    return text_of(value.rstrip("/").rpartition("/")[2], 100)


def _text(value: object) -> str | None:
    return text_of(value, 300) or None if isinstance(value, str) else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
