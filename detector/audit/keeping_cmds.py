"""`unreel audit label`, `merge` and `verify`: what people add to a store, and whether it holds."""

from __future__ import annotations

from pathlib import Path

import click

from unreel.detector.errors import UsageError

DB = click.Path(path_type=Path, dir_okay=False)
EXIT_BROKEN = 1


@click.command()
@click.argument("db", type=DB)
@click.argument("file")
@click.argument("label", type=click.Choice(["real", "generated", "manipulated", "unsure"]))
@click.option("--generator", default="", metavar="NAME", help="What made it, when that is known.")
@click.option("--source", default="", metavar="NAME", help="Where it is from: kept together later.")
@click.option("--note", default="", metavar="TEXT", help="Anything else.")
def label(db: Path, file: str, label: str, generator: str, source: str, note: str) -> None:
    """Say what a person found. FILE is a name, or eight and more digits of its sha256.

    A label is of bytes, so that all names of them share it. The last one counts, all are kept;
    `unreel audit export --format manifest` makes a list for training of them.

    \b
    Examples:
      unreel audit label audit.sqlite /archive/clip.mp4 generated --generator sora --note "hands"
      unreel audit label audit.sqlite 91028f9d real --source "own camera"
    """
    from unreel.detector.audit.store import open_store

    open_store(db, read_only=True).close()  # a store is not made by labelling
    with open_store(db) as store:
        sha256 = store.label(file, label, generator=generator, source=source, note=note)
        names = store.connection.execute("SELECT count(*) FROM files WHERE sha256 = ?", (sha256,))
        click.echo(f"{label}: sha256 {sha256} ({names.fetchone()[0]} names)", err=True)


@click.command()
@click.argument("db", type=DB)
@click.argument("shards", nargs=-1, required=True, metavar="SHARD...", type=DB)
def merge(db: Path, shards: tuple[Path, ...]) -> None:
    """Take the results of shards into one store, which is made when it is not there.

    A shard whose rows do not agree with its own log is refused. Doing it twice changes nothing.

    \b
    Example:
      unreel audit merge whole.sqlite site-1.sqlite site-2.sqlite
    """
    from unreel.detector.audit.merging import merge as merge_shard
    from unreel.detector.audit.store import open_store

    with open_store(db) as store, store.lock():
        for shard in shards:
            counts = merge_shard(store, shard)
            click.echo(
                f"{shard}: {counts['taken']} results taken, {counts['known']} known before, "
                f"{counts['pending']} files still to be done",
                err=True,
            )


@click.command()
@click.argument("db", type=DB)
@click.option("--head", metavar="HEX", help="A head that was printed or noted: must be in the log.")
@click.option("--signed", type=DB, metavar="FILE", help="The same, from a signed head.")
@click.option("--key", type=DB, metavar="PEM", help="Public key that --signed must be of.")
@click.option("--sign-key", type=DB, metavar="PEM", help="Sign the head with this private key.")
@click.option(
    "-o", "--output", type=DB, metavar="FILE", help="Signed head.  [default: DB.head.json]"
)
@click.pass_context
def verify(
    ctx: click.Context,
    db: Path,
    head: str | None,
    signed: Path | None,
    key: Path | None,
    sign_key: Path | None,
    output: Path | None,
) -> None:
    """Hold each row against the log, and the log against itself. Finds what was changed, put in,
    taken out or put in another order past this program.

    Whoever can write the store can also write the whole log anew. What shows that is a head hash
    that was noted elsewhere (--head), or signed (--sign-key, later --signed with --key).

    \b
    Examples:
      unreel audit verify audit.sqlite
      unreel audit verify audit.sqlite --sign-key key.pem
      unreel audit verify audit.sqlite --signed audit.sqlite.head.json --key key.pub.pem

    \b
    Exit codes:
      0    rows and log agree
      1    they do not
    """
    from unreel.detector.audit.heads import read_signed_head, write_signed_head
    from unreel.detector.audit.store import open_store
    from unreel.detector.audit.verifying import verify as verify_store
    from unreel.detector.text import printable

    if key is not None and signed is None:
        raise UsageError("--key checks a signed head: name it with --signed")
    known = [h for h in (head, read_signed_head(signed, key) if signed else None) if h]
    with open_store(db, read_only=True) as store:
        found = verify_store(store, known_heads=known)
    for problem in found.problems:
        click.echo(printable(problem))
    if found.problems:
        click.echo(f"{len(found.problems)} problems: this store is not what the log says")
        ctx.exit(EXIT_BROKEN)
    click.echo(f"{found.rows} rows agree with {found.entries} entries of the log")
    click.echo(f"head {found.head.seq} {found.head.hash}")
    if sign_key is not None:
        target = output or db.with_name(db.name + ".head.json")
        write_signed_head(found.head, db, sign_key, target, _ask_password)
        click.echo(f"signed in {target}: keep it apart from the store")


def _ask_password() -> bytes:
    asked: str = click.prompt("password of the key", hide_input=True, err=True)
    return asked.encode()
