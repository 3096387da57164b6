"""Sign files with a certificate authority made on the spot, so that tests need no one's keys.

The chain is what C2PA asks for at least: a root, a leaf that may sign and protect e-mail, ES256.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


@dataclass(frozen=True)
class Authority:
    """A root certificate and a signer below it, PEM."""

    root: bytes
    chain: bytes
    key: bytes


@cache
def authority(signer: str) -> Authority:
    """One for each name of a signer."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name = _name("Test root")
    root = (
        _certificate(root_name, root_name, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        _certificate(_name(signer), root_name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign=True), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
            critical=False,
        )
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    root_pem = root.public_bytes(pem)
    return Authority(root_pem, leaf.public_bytes(pem) + root_pem, secret)


def generated_manifest(
    software: str = "GenModel", generator: str = "Generator", title: str = "a clip"
) -> dict[str, Any]:
    """A manifest that says that a model made it."""
    created = {
        "action": "c2pa.created",
        "digitalSourceType": GENERATED,
        "softwareAgent": {"name": software},
    }
    return _manifest(generator, title, [created])


def edited_manifest() -> dict[str, Any]:
    """A manifest that says that the ingredient `parent` was opened and edited."""
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["parent"]}}
    return _manifest("Editor", "edited", [opened, {"action": "c2pa.edited"}])


def sign(
    source: Path,
    target: Path,
    manifest: dict[str, Any] | None = None,
    *,
    parent: Path | None = None,
    signer: str = "Test signer",
) -> Path:
    """Write a signed copy of a file."""
    who = authority(signer)
    info = c2pa.C2paSignerInfo(b"es256", who.chain, who.key, None)
    with c2pa.Signer.from_info(info) as key, c2pa.Builder(manifest or generated_manifest()) as made:
        if parent is not None:
            with parent.open("rb") as handle:
                about = {"title": "parent", "relationship": "parentOf", "instance_id": "parent"}
                made.add_ingredient(json.dumps(about), "video/mp4", handle)
        made.sign_file(str(source), str(target), key)
    return target


def _manifest(generator: str, title: str, actions: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "claim_generator_info": [{"name": generator, "version": "1.0"}],
        "title": title,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }


def _name(common: str) -> x509.Name:
    pairs = ((NameOID.COMMON_NAME, common), (NameOID.ORGANIZATION_NAME, "Tests of unreel"))
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in pairs])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not sign,
        crl_sign=not sign,
        encipher_only=False,
        decipher_only=False,
    )
