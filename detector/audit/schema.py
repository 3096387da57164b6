"""The tables of an audit store, their versions, and how an older one is brought up to date.

One SQLite file, readable by any SQLite tool (Datasette, DB Browser, sqlite3). Names of files are
kept twice: exact bytes in `path_bytes`, and as text for people, in which bytes that are not UTF-8
stand as \\xff. All times are UTC and for people: nothing is ever decided by them, so that a clock
that jumps changes no result.
"""

from __future__ import annotations

import sqlite3

from unreel.detector.audit.errors import StoreError

APPLICATION_ID = 0x756E7265
""""unre": tells an audit store from any other SQLite file."""

_TABLES = """
CREATE TABLE settings (
  id INTEGER PRIMARY KEY,
  fingerprint TEXT NOT NULL UNIQUE,       -- sha256 over model_files and config
  model_name TEXT NOT NULL,
  model_version TEXT NOT NULL,
  model_sha256 TEXT NOT NULL,             -- of model.onnx, as in the reports
  model_files TEXT NOT NULL,              -- JSON: name -> sha256 of what judges
  config TEXT NOT NULL                    -- JSON: what of the configuration can change a score
);
CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  settings_id INTEGER NOT NULL REFERENCES settings(id),
  started TEXT NOT NULL,
  ended TEXT,
  outcome TEXT,                           -- finished, interrupted, limit, ...; NULL = died
  tool_version TEXT NOT NULL,
  host TEXT NOT NULL,
  command TEXT NOT NULL,                  -- JSON: argument vector
  engine TEXT NOT NULL,
  libraries TEXT NOT NULL,                -- JSON: name -> version of what takes part
  options TEXT NOT NULL,                  -- JSON: limits, workers, threads, order, shard
  counts TEXT                             -- JSON: what the run did
);
CREATE TABLE scans (
  id INTEGER PRIMARY KEY,
  settings_id INTEGER NOT NULL REFERENCES settings(id),
  run_id INTEGER NOT NULL REFERENCES runs(id),
  sha256 TEXT,                            -- of the bytes judged; NULL when they could not be read
  is_current INTEGER NOT NULL DEFAULT 1,  -- 0 = an error that a later try replaced
  status TEXT NOT NULL CHECK (status IN ('ok', 'error')),
  error_code TEXT,
  error_message TEXT,
  label TEXT,                             -- generated, inconclusive, no-evidence
  score REAL,
  llr REAL,
  percentile REAL,                        -- share of held-out camera clips that score lower
  threshold REAL,
  fpr REAL,
  bucket TEXT,
  camera_clips INTEGER,                   -- held-out camera clips behind the threshold
  recheck_score REAL,
  bytes INTEGER,
  container TEXT,
  codec TEXT,
  width INTEGER,
  height INTEGER,
  fps REAL,
  frames INTEGER,
  duration_seconds REAL,
  has_audio INTEGER,
  shots INTEGER,
  findings INTEGER,
  decoder TEXT,
  finished TEXT NOT NULL,
  seconds REAL,                           -- of work for this scan
  timing TEXT,                            -- JSON: facts of this scan that differ from run to run
  report TEXT NOT NULL                    -- JSON: as `unreel scan --json` writes it
);
CREATE UNIQUE INDEX one_scan_of_the_same_bytes ON scans(sha256, settings_id)
  WHERE sha256 IS NOT NULL AND is_current = 1;
CREATE INDEX scans_by_score ON scans(score);
CREATE TABLE files (
  id INTEGER PRIMARY KEY,
  path_bytes BLOB NOT NULL UNIQUE,
  path TEXT NOT NULL,
  size INTEGER,                           -- bytes and time of change when last looked at
  mtime_ns INTEGER,
  state TEXT NOT NULL CHECK (state IN ('pending', 'in-hand', 'done')),
  sha256 TEXT,                            -- of the bytes that scan_id judged
  scan_id INTEGER REFERENCES scans(id),
  is_stale INTEGER NOT NULL DEFAULT 0,    -- size or time differ from those of the bytes of sha256
  attempts INTEGER NOT NULL DEFAULT 0,    -- times it was begun and nobody lived to tell
  priority REAL NOT NULL DEFAULT 0,       -- higher = earlier
  seen_run INTEGER REFERENCES runs(id),   -- last run that came across it
  added_seq INTEGER NOT NULL              -- entry of the log that tells of its addition
);
CREATE INDEX files_to_do ON files(attempts, priority DESC, id) WHERE state = 'pending';
CREATE INDEX files_by_size ON files(size);
CREATE INDEX files_by_scan ON files(scan_id);
CREATE INDEX files_by_sha256 ON files(sha256);
CREATE INDEX files_by_entry ON files(added_seq);
CREATE TABLE labels (
  id INTEGER PRIMARY KEY,
  sha256 TEXT NOT NULL,                   -- a label is of bytes: all their names share it
  label TEXT NOT NULL CHECK (label IN ('real', 'generated', 'manipulated', 'unsure')),
  generator TEXT NOT NULL DEFAULT '',
  source TEXT NOT NULL DEFAULT '',
  note TEXT NOT NULL DEFAULT '',
  labelled TEXT NOT NULL
);
CREATE INDEX labels_by_sha256 ON labels(sha256, id);
CREATE TABLE log (
  seq INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,                     -- canonical JSON
  previous TEXT NOT NULL,                 -- hash of the entry before
  hash TEXT NOT NULL                      -- sha256 over the other columns
);
CREATE TRIGGER log_is_never_changed BEFORE UPDATE ON log
  BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER log_is_never_shortened BEFORE DELETE ON log
  BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TABLE left_out (
  run_id INTEGER NOT NULL REFERENCES runs(id),
  folder TEXT NOT NULL,
  reason TEXT NOT NULL,
  files INTEGER NOT NULL,
  PRIMARY KEY (run_id, folder, reason)
) WITHOUT ROWID;
"""

_VIEWS = """
CREATE VIEW latest_labels AS
  SELECT * FROM labels WHERE id IN (SELECT max(id) FROM labels GROUP BY sha256);
CREATE VIEW results AS
  SELECT files.id AS file_id, files.path, files.state, scans.status, scans.error_code,
    scans.error_message, scans.label, scans.score, scans.llr, scans.percentile, scans.threshold,
    scans.fpr, scans.bucket, scans.camera_clips, scans.recheck_score, files.sha256,
    coalesce(scans.bytes, files.size) AS bytes, scans.container, scans.codec, scans.width,
    scans.height, scans.fps, scans.frames, scans.duration_seconds, scans.has_audio, scans.shots,
    scans.findings, scans.decoder, scans.seconds, scans.finished, scans.run_id,
    settings.model_name, settings.model_version, settings.model_sha256, scans.settings_id,
    latest_labels.label AS reviewed_as, latest_labels.generator AS reviewed_generator,
    latest_labels.note AS review_note, files.mtime_ns, files.seen_run, files.scan_id
  FROM files
    LEFT JOIN scans ON scans.id = files.scan_id
    LEFT JOIN settings ON settings.id = scans.settings_id
    LEFT JOIN latest_labels ON latest_labels.sha256 = files.sha256;
CREATE VIEW flagged AS
  SELECT * FROM results WHERE label = 'generated' ORDER BY score DESC;
CREATE VIEW not_looked_at AS
  SELECT path, state, error_code, error_message, bytes, sha256 FROM results
  WHERE state != 'done' OR status = 'error';
CREATE VIEW duplicates AS
  SELECT sha256, count(*) AS names, min(path) AS first_name, max(score) AS score
  FROM results WHERE sha256 IS NOT NULL GROUP BY sha256 HAVING count(*) > 1;
"""

MIGRATIONS: tuple[str, ...] = (_TABLES + _VIEWS,)
"""Entry n brings a store of version n to version n + 1. They are added to, never changed."""

VERSION = len(MIGRATIONS)


def bring_up_to_date(connection: sqlite3.Connection, named: str) -> None:
    """Make the tables of a new store, or add what an older version lacks; all or nothing.

    Raises:
        StoreError: It is not an audit store, or one of a newer version of this program.
    """
    connection.execute("BEGIN EXCLUSIVE")
    try:
        version = check_version(connection, named)
        for script in MIGRATIONS[version:]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def check_version(connection: sqlite3.Connection, named: str) -> int:
    """The version of a store, 0 for an empty file.

    Raises:
        StoreError: As `bring_up_to_date`.
    """
    (mark,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if mark != APPLICATION_ID and tables:
        raise StoreError(f"{named} is an SQLite file, but no audit store: name another with --db")
    if version > VERSION:
        raise StoreError(
            f"{named} is a store of version {version}, this program reads up to {VERSION}: "
            "install a newer unreel"
        )
    return int(version)


def _statements(script: str) -> list[str]:
    """Single statements; sqlite3's executescript would commit what is open."""
    found, held = [], ""
    for line in script.splitlines(keepends=True):
        held += line
        if sqlite3.complete_statement(held):
            found.append(held)
            held = ""
    return found
