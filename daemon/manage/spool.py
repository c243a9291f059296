"""What a device remembers of its talk with the broker, on disk: events until they are delivered, sessions, boots.

SQLite with a write-ahead log: a power cut loses the last moments at most, never the file. One thread at a time.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from daemon.errors import ManageError
from daemon.manage.schema import Moment, decode, encode
from daemon.manage.session import new_token

EVENTS_KEPT = 10_000
BOOTS_KEPT = 32

_TABLES = """
CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, what TEXT, cause TEXT, at BLOB);
CREATE TABLE IF NOT EXISTS boots (n INTEGER PRIMARY KEY AUTOINCREMENT, boot_id TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value);
"""


@dataclass(frozen=True, slots=True)
class SpooledEvent:
    id: int
    kind: str
    what: str
    cause: str
    at: Moment


class Spool:
    """At most `events_kept` events, `waiting` of them now; when more wait the oldest are dropped and counted.

    Raises ManageError when the disk does not let it.
    """

    def __init__(self, path: Path, events_kept: int = EVENTS_KEPT) -> None:
        """A file that is no spool any more is put aside and a new one begun: old events matter less than new ones."""
        self._events_kept = events_kept
        try:
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._database = _open(path)
        except (OSError, sqlite3.Error) as error:
            raise ManageError(
                f"{path}: cannot be opened ({error})", "check manage.directory, its owner and space"
            ) from error
        self.log = str(self._fact("log", new_token()))
        self.dropped = int(str(self._fact("dropped", 0)))
        self.waiting = self._count()

    def _fact(self, name: str, default: str | int) -> object:
        with self._transaction() as database:
            database.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, default))
            return database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()[0]

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._database:
                yield self._database
        except sqlite3.Error as error:
            raise ManageError(f"the spool cannot be written ({error})", "check manage.directory's disk") from error

    def note_boot(self, boot_id: str) -> frozenset[str]:
        """Remember this boot; the last BOOTS_KEPT ones."""
        with self._transaction() as database:
            database.execute("INSERT OR IGNORE INTO boots (boot_id) VALUES (?)", (boot_id,))
            database.execute("DELETE FROM boots WHERE n <= (SELECT max(n) FROM boots) - ?", (BOOTS_KEPT,))
            return frozenset(row[0] for row in database.execute("SELECT boot_id FROM boots"))

    def next_session(self) -> int:
        """One more than ever before."""
        number = int(str(self._fact("session", 0))) + 1
        with self._transaction() as database:
            database.execute("UPDATE facts SET value = ? WHERE name = 'session'", (number,))
        return number

    def add(self, kind: str, what: str, cause: str, at: Moment) -> None:
        with self._transaction() as database:
            database.execute(
                "INSERT INTO events (kind, what, cause, at) VALUES (?, ?, ?, ?)", (kind, what, cause, encode(at))
            )
            too_many = self._count() - self._events_kept
            if too_many > 0:
                database.execute(
                    "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT ?)", (too_many,)
                )
                self.dropped += too_many
                database.execute("UPDATE facts SET value = ? WHERE name = 'dropped'", (self.dropped,))
            self.waiting = self._count()

    def oldest(self) -> SpooledEvent | None:
        """The event that is to be delivered next."""
        with self._transaction() as database:
            row = database.execute("SELECT id, kind, what, cause, at FROM events ORDER BY id LIMIT 1").fetchone()
        if row is None:
            return None
        event_id, kind, what, cause, at = row
        return SpooledEvent(event_id, kind, what, cause, decode(at, Moment))

    def delivered(self, event_id: int) -> None:
        with self._transaction() as database:
            database.execute("DELETE FROM events WHERE id = ?", (event_id,))
            self.waiting = self._count()

    def _count(self) -> int:
        count: int = self._database.execute("SELECT count(*) FROM events").fetchone()[0]
        return count

    def close(self) -> None:
        self._database.close()


def _open(path: Path) -> sqlite3.Connection:
    try:
        return _connect(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        path.replace(path.with_name(path.name + ".damaged"))
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, timeout=1.0)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_TABLES)
    except sqlite3.Error:
        database.close()
        raise
    return database
