"""`unreel custody`: check records of examinations, make keys to sign them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

EXIT_DIFFERS = 1


@click.group()
def custody() -> None:
    """Check custody records, which `unreel scan --custody` writes, and make keys to sign them.

    \b
    Examples:
      unreel custody keygen examiner.pem
      unreel scan --custody clip.custody.json --custody-key examiner.pem clip.mp4
      unreel custody verify clip.custody.json --key examiner.pem.pub
    """


@custody.command("verify", short_help="Compute again what a record says, and compare.")
@click.argument("record", type=click.Path(path_type=Path))
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    metavar="PEM",
    help="Public key that must have signed.  [default: whichever did]",
)
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the examined file is now.  [default: where it was, or beside the record]",
)
@click.option(
    "--model",
    "model_folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Model folder to compare with.  [default: the one in the package]",
)
@click.option("--rescan", is_flag=True, help="Judge the file again and compare the scores too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@click.pass_context
def verify_command(
    ctx: click.Context,
    record: Path,
    key: Path | None,
    file: Path | None,
    model_folder: Path | None,
    rescan: bool,
    as_json: bool,
) -> None:
    """Compute again what a custody record says, and compare: hash, signature, file, container,
    tool, model, libraries, settings and, with --rescan, scores.

    \b
    Examples:
      unreel custody verify clip.custody.json
      unreel custody verify clip.custody.json --key examiner.pem.pub --file clip.mp4 --rescan

    \b
    Exit codes:
      0  all that was checked holds; what was not checked is listed
      1  something differs
      2  the call is off, or it is no custody record
    """
    from unreel.detector.custody.keys import load_public_key
    from unreel.detector.custody.verify import load_document, verify
    from unreel.detector.text import printable

    document = load_document(record)
    checks = verify(
        document,
        beside=record.parent,
        key=load_public_key(key) if key else None,
        file=file,
        model_folder=model_folder,
        rescan=rescan,
    )
    holds = all(check.status != "differs" for check in checks)
    if as_json:
        click.echo(json.dumps({"holds": holds, "checks": [asdict(check) for check in checks]}))
    else:
        for check in checks:
            click.echo(f"{check.status:<12} {check.name:<10} {printable(check.detail)}")
        click.echo("All that was checked holds." if holds else "This record does NOT hold.")
    ctx.exit(0 if holds else EXIT_DIFFERS)


@custody.command("keygen", short_help="Make a key pair to sign records with.")
@click.argument("path", metavar="KEY.pem", type=click.Path(path_type=Path))
@click.option("--password", is_flag=True, help="Ask for a password that encrypts the private key.")
def keygen(path: Path, password: bool) -> None:
    """Make an Ed25519 key pair: KEY.pem, which stays with you, and KEY.pem.pub, which others get.

    \b
    Example:
      unreel custody keygen --password examiner.pem
    """
    from unreel.detector.custody.keys import make_key

    secret = None
    if password:
        secret = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    mark = make_key(path, secret.encode() if secret else None)
    click.echo(f"{path} (private), {path}.pub (public), fingerprint {mark}")
