"""The engine, and the one writer that commits what is waiting as a group."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from deskwire.core.errors import GiveUp, Misconfigured, RetryLater

T = TypeVar("T")
Job = tuple[Callable[[Connection], Any], "Future[Any]", bool]  # the last: is it urgent
URGENT, USUAL, LAST = range(3)

__all__ = ["Connection", "Database"]

#: A group holds the file's lock no longer than this, so that other processes get their turn.
LONGEST_GROUP_SECONDS = 0.05
BUSY_SECONDS = 10


class Database:
    """One database. `clock` gives seconds since 1970; it is the host's, for one host."""

    def __init__(
        self,
        url: str,
        clock: Callable[[], float] = time.time,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            message = f"store.url {url!r}: only sqlite:/// is there so far"
            raise Misconfigured(message)
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self.engine = create_engine(parsed, connect_args={"timeout": busy_seconds})
        event.listen(self.engine, "connect", _prepare)
        event.listen(self.engine, "begin", _begin)
        self._clock = clock
        self._peeking: Connection | None = None
        self._peek_lock = threading.Lock()
        self._jobs: queue.PriorityQueue[tuple[int, int, Job | None]] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._writer = threading.Thread(target=self._write_groups, name="writer", daemon=True)
        self._writer.start()

    def now(self, _connection: Connection | None = None) -> int:
        """µs since 1970 UTC on the clock that all leases are measured by."""
        return int(self._clock() * 1_000_000)

    @staticmethod
    def ping(connection: Connection) -> None:
        """Ask the database for nothing."""
        connection.exec_driver_sql("SELECT 1")

    def read(self, function: Callable[[Connection], T]) -> T:
        """What the function reads, from one snapshot."""
        try:
            with self.engine.connect() as connection, connection.begin():
                return function(connection)
        except DatabaseError as error:
            raise _classed(error) from error

    def peek(self, function: Callable[[Connection], T]) -> T:
        """A look of microseconds at the newest that is committed, on the calling thread."""
        with self._peek_lock:
            try:
                if self._peeking is None:
                    self._peeking = self.engine.connect().execution_options(is_peek=True)
                return function(self._peeking)
            except DatabaseError as error:
                raise _classed(error) from error

    def submit(self, function: Callable[[Connection], T], *, is_urgent: bool = False) -> Future[T]:
        """Run the function in a transaction; the result is there once it is durable.

        It touches nothing but its connection, and may be run with others in one transaction. An
        urgent one goes before all that waits, and its group ends with it.
        """
        result: Future[T] = Future()
        self._put((function, result, is_urgent), URGENT if is_urgent else USUAL)
        return result

    def _put(self, job: Job | None, priority: int) -> None:
        self._jobs.put((priority, next(self._numbers), job))

    def write(self, function: Callable[[Connection], T]) -> T:
        """`submit`, waited for."""
        return self.submit(function).result()

    def close(self) -> None:
        """Finish what was submitted and let go of the file."""
        self._put(None, LAST)
        self._writer.join()
        if self._peeking is not None:
            self._peeking.close()
        self.engine.dispose()

    def _write_groups(self) -> None:
        while (job := self._take(wait=True)) is not None:
            done: list[tuple[Future[Any], Any]] = []
            try:
                with self.engine.connect().execution_options(is_writer=True) as connection:
                    self._write_group(connection, job, done)
            except _FirstFailedError as first:
                job[1].set_exception(_classed(first.error))
                continue
            except BaseException as error:  # noqa: BLE001 - whatever it is, the callers get it
                # The first one too where not even BEGIN worked, and so `done` is empty.
                for result in {job[1], *(result for result, _ in done)}:
                    result.set_exception(_classed(error))
                continue
            for result, value in done:
                if isinstance(value, BaseException):
                    result.set_exception(_classed(value))
                else:
                    result.set_result(value)

    def _take(self, *, wait: bool) -> Job | None:
        """The next job, which nobody can cancel any more; None: the database is to be closed.

        queue.Empty where none waits.
        """
        while (job := self._jobs.get(block=wait)[2]) is not None:
            if job[1].set_running_or_notify_cancel():
                return job
        return None

    def _write_group(
        self, connection: Connection, job: Job | None, done: list[tuple[Future[Any], Any]]
    ) -> None:
        until = time.monotonic() + LONGEST_GROUP_SECONDS
        with connection.begin():
            while job is not None:
                function, result, is_urgent = job
                is_first = not done
                done.append((result, None))
                run = _run_first if is_first else _run
                done[-1] = (result, run(connection, function))
                if is_urgent or time.monotonic() > until:
                    return
                try:
                    job = self._take(wait=False)
                except queue.Empty:
                    return
            self._put(None, LAST)  # close() came in the middle of a group


class _FirstFailedError(Exception):
    """The first function of a group failed: the transaction holds nothing else, and is undone."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


def _run_first(connection: Connection, function: Callable[[Connection], T]) -> T:
    """The function's result; no savepoint is needed, as nothing was done before it."""
    try:
        return function(connection)
    except BaseException as error:
        raise _FirstFailedError(error) from error


def _run(connection: Connection, function: Callable[[Connection], T]) -> T | BaseException:
    """The function's result or error; raises when the whole transaction is gone."""
    # In plain SQL: SQLAlchemy's own savepoint takes as long as a statement or two.
    connection.exec_driver_sql("SAVEPOINT one")
    try:
        value: T | BaseException = function(connection)
    except BaseException as error:
        # A full disk rolls back everything, savepoints too: then the whole group failed.
        if not connection.connection.dbapi_connection.in_transaction:  # type: ignore[union-attr]
            raise
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT one")
        value = error
    connection.exec_driver_sql("RELEASE SAVEPOINT one")
    return value


def _classed(error: BaseException) -> BaseException:
    if isinstance(error, OperationalError):
        return RetryLater(f"the database cannot be used now: {error.orig}")
    if isinstance(error, DatabaseError) and not isinstance(error, IntegrityError):
        return GiveUp(f"the database cannot be used: {error.orig}")
    return error


def _prepare(dbapi: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own type
    dbapi.isolation_level = None  # transactions are begun by `_begin`
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        dbapi.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("is_peek", False):  # that one sees each statement's newest
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("is_writer") else "BEGIN")
