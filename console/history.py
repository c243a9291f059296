"""What has been: figures by the minute, events, cases, commands and their acknowledgements.

SQLite by default, another database by URL (SQLAlchemy). Everything is written with its natural key, so that several
consoles may write the same to one database. Rows wait in a bounded queue for a thread that writes them in batches: a
slow disk loses history (counted), never a message of the fleet.
"""

import logging
import queue
import threading
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sql
from sqlalchemy.dialects import postgresql, sqlite

from console.errors import ConsoleError

logger = logging.getLogger(__name__)

QUEUE_ROWS = 100_000
BATCH_ROWS = 5_000
BATCH_WAIT_S = 1.0
DAY_S = 86_400

_tables = sql.MetaData()

MINUTES = sql.Table(
    "minute",
    _tables,
    sql.Column("device", sql.String(256), primary_key=True),
    sql.Column("minute", sql.Integer, primary_key=True),  # since 1970
    sql.Column("picture", sql.String(16), nullable=False),  # the state that lasted longest of those that are not good
    sql.Column("latency_ms", sql.Float),
    sql.Column("latency_max_ms", sql.Float),
    sql.Column("loss_percent", sql.Float),
    sql.Column("residual_loss_percent", sql.Float),
    sql.Column("rate_kbps", sql.Float),
    sql.Column("temperature_c", sql.Float),
    sqlite_with_rowid=False,
)
EVENTS = sql.Table(
    "event",
    _tables,
    sql.Column("device", sql.String(256), primary_key=True),
    sql.Column("log", sql.String(32), primary_key=True),
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("at", sql.String(32), nullable=False),
    sql.Column("kind", sql.String(32), nullable=False),
    sql.Column("what", sql.Text, nullable=False),
    sql.Column("cause", sql.Text, nullable=False),
    sql.Column("received_s", sql.Integer, nullable=False),
)
CASES = sql.Table(
    "case_history",
    _tables,
    sql.Column("device", sql.String(256), primary_key=True),
    sql.Column("began_s", sql.Integer, primary_key=True),
    sql.Column("ended_s", sql.Integer),
)
COMMANDS = sql.Table(
    "command",
    _tables,
    sql.Column("device", sql.String(256), primary_key=True),
    sql.Column("nonce", sql.String(32), primary_key=True),
    sql.Column("outcome", sql.String(16), primary_key=True),  # sent, then what the device says
    sql.Column("command", sql.String(32), nullable=False),
    sql.Column("who", sql.String(256), nullable=False),  # who is signed in; the device knows by the signature
    sql.Column("reason", sql.Text, nullable=False),
    sql.Column("is_authentic", sql.Boolean, nullable=False),
    sql.Column("at_s", sql.Integer, nullable=False),
)
_AGES = {EVENTS: EVENTS.c.received_s, CASES: CASES.c.began_s, COMMANDS: COMMANDS.c.at_s}

Row = Mapping[str, Any]


class History:
    """`open` it once; then `put` from any thread, and the readers from any thread."""

    def __init__(self, url: str, keep_days: int) -> None:
        self._url = url
        self._keep_days = keep_days
        self._rows: queue.Queue[tuple[sql.Table, Row] | None] = queue.Queue(QUEUE_ROWS)
        self._writer = threading.Thread(target=self._write, name="history", daemon=True)
        self.dropped = 0
        self.written = 0

    def open(self) -> None:
        """Raises ConsoleError when the database cannot be used."""
        try:
            self._engine = sql.create_engine(self._url)
            if self._engine.dialect.name == "sqlite":
                sql.event.listen(self._engine, "connect", _prepare_sqlite)
            _tables.create_all(self._engine)
        except (sql.exc.SQLAlchemyError, ImportError) as error:
            raise ConsoleError(f"history.url: {_one_line(error)}", "see docs/console.md") from error
        self._writer.start()

    def put(self, table: sql.Table, row: Row) -> None:
        """Never waits."""
        try:
            self._rows.put_nowait((table, row))
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """What waits is written first."""
        self._rows.put(None)
        self._writer.join()
        self._engine.dispose()

    # --- writing ---

    def _write(self) -> None:
        while True:
            batch, is_last = self._next_batch()
            try:
                with self._engine.begin() as connection:
                    for table in _tables.sorted_tables:
                        rows = [row for of, row in batch if of is table]
                        if rows:
                            connection.execute(self._upsert(table), rows)
                self.written += len(batch)
            except sql.exc.SQLAlchemyError as error:
                self.dropped += len(batch)
                logger.warning("history: %d rows lost: %s", len(batch), _one_line(error))
            if is_last:
                return

    def _next_batch(self) -> tuple[list[tuple[sql.Table, Row]], bool]:
        """Rows that have come by now, at most BATCH_ROWS; waits for the first one."""
        batch: list[tuple[sql.Table, Row]] = []
        item = self._rows.get()
        while item is not None:
            batch.append(item)
            if len(batch) >= BATCH_ROWS:
                return batch, False
            try:
                item = self._rows.get(timeout=BATCH_WAIT_S)
            except queue.Empty:
                return batch, False
        return batch, True

    def _upsert(self, table: sql.Table) -> Any:
        """The newer row wins: a minute or a case may be written again with more in it."""
        insert = (postgresql if self._engine.dialect.name == "postgresql" else sqlite).insert(table)
        others = {column.name: insert.excluded[column.name] for column in table.columns if not column.primary_key}
        return insert.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=others)

    def forget_old(self, now_s: int) -> None:
        """Delete what is older than it is to be kept."""
        oldest_s = now_s - self._keep_days * DAY_S
        with self._engine.begin() as connection:
            connection.execute(MINUTES.delete().where(MINUTES.c.minute < oldest_s // 60))
            for table, age in _AGES.items():
                connection.execute(table.delete().where(age < oldest_s))

    # --- reading ---

    def minutes(self, device: str, since_s: int) -> list[Row]:
        """In order."""
        return self._read(
            MINUTES.select().where(MINUTES.c.device == device, MINUTES.c.minute >= since_s // 60).order_by("minute")
        )

    def events(self, device: str | None, limit: int) -> list[Row]:
        """The newest first; None: of all devices."""
        return self._newest(EVENTS, EVENTS.c.received_s, device, limit, EVENTS.c.id)

    def cases(self, device: str | None, limit: int) -> list[Row]:
        """The newest first."""
        return self._newest(CASES, CASES.c.began_s, device, limit)

    def cases_under_way(self) -> dict[str, int]:
        """When they began, by device."""
        rows = self._read(CASES.select().where(CASES.c.ended_s.is_(None)).order_by(CASES.c.began_s))
        return {row["device"]: row["began_s"] for row in rows}

    def commands(self, device: str | None, limit: int) -> list[Row]:
        """What was sent and what came of it, the newest first."""
        return self._newest(COMMANDS, COMMANDS.c.at_s, device, limit)

    def _newest(self, table: sql.Table, by: Any, device: str | None, limit: int, then: Any = None) -> list[Row]:
        query = table.select() if device is None else table.select().where(table.c.device == device)
        order = [by.desc()] if then is None else [by.desc(), then.desc()]
        return self._read(query.order_by(*order).limit(limit))

    def _read(self, query: Any) -> list[Row]:
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]


def _prepare_sqlite(connection: Any, _: Any) -> None:
    """Readers do not wait for the writer; a power cut loses the last moments, never the file."""
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


def _one_line(error: Exception) -> str:
    return str(error).splitlines()[0][:300]
