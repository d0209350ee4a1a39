"""Jobs in SQLite: stored before they are scheduled, and found again after a crash.

A job goes from queued to in_progress to completed or failed. Each step is one conditional statement, so that only one
of a cancel, a deletion and an end at the same time succeeds. Each job has a folder for its files, next to the table.
"""

import fcntl
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from threading import Lock
from typing import IO, Any, Literal

from reelm.errors import RequestError, reason

from .job import Job, is_job_id

Order = Literal["asc", "desc"]

_TABLE, _FOLDERS = "jobs.sqlite", "jobs"
_SYNCED, _UNSYNCED = "pragma synchronous = full", "pragma synchronous = normal"  # unsynced: lost if the machine crashes
_COLUMNS = (
    "id text unique, owner text, model text, prompt text, read_as text, seed integer, settings text, uploads text, "
    "status text, progress integer, created_at real, started_at real, completed_at real, "
    "fps real, seconds text, size text, error_code text, error_message text, warnings text, rating integer, "
    "trace text"
)
_MAPPINGS = ("settings", "uploads")  # kept as JSON


# Progress of the jobs of each key, then the first of those that may begin.
_CLAIM = """
with busy as (select owner, count(*) as jobs from jobs where status = 'in_progress' and owner != '' group by owner)
update jobs set status = 'in_progress', started_at = ? where number = (
    select number from jobs left join busy using (owner)
    where status = 'queued' and coalesce(busy.jobs, 0) < ? order by coalesce(busy.jobs, 0), number limit 1
) returning *
"""


class QueueFull(Exception):
    """As many jobs wait as the server takes."""


class TooMany(Exception):
    """As many jobs of a key wait or run as it may have."""


class Jobs:
    """The table of jobs, in `home/jobs.sqlite`, and their folders in `home/jobs/`. Any thread may use it.

    Raises:
        RequestError: another server works in `home`, or its table is of another version.
    """

    def __init__(self, home: Path, most_queued: int):
        self._home, self._most, self._lock = home, most_queued, Lock()
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_file = _lock(home)
        try:
            self._table = _opened(home / _TABLE)
        except BaseException:
            self._lock_file.close()
            raise
        known = {row["id"] for row in self._rows("select id from jobs")}
        for folder in (home / _FOLDERS).glob("*"):  # a server was killed while it stored or deleted the job
            if folder.name not in known and is_job_id(folder.name):
                self.remove_files(folder.name)

    def close(self) -> None:
        """Close the table."""
        with self._lock:
            self._table.close()
            self._lock_file.close()

    def folder(self, job_id: str) -> Path:
        """Return the folder of a job's files, which may not be there yet."""
        return self._home / _FOLDERS / job_id

    def add(self, job: Job, under_way: int | None = None) -> None:
        """Store a new job at the end of the queue, or one that is completed already.

        Args:
            job: to store.
            under_way: jobs that its owner may have, waiting or running, with this one. None for any number.

        Raises:
            QueueFull: too many jobs wait already.
            TooMany: its owner has as many under way as it may.
            sqlite3.OperationalError: the disk is full.
        """
        row = vars(job) | {name: json.dumps(dict(getattr(job, name))) for name in _MAPPINGS}
        row |= {"warnings": json.dumps(job.warnings)}
        names = ", ".join(row)
        with self._lock:
            (waiting,) = self._table.execute("select count(*) from jobs where status = 'queued'").fetchone()
            if job.status == "queued" and waiting >= self._most:
                raise QueueFull
            if under_way is not None and self._under_way(job.owner) >= under_way:
                raise TooMany
            self._table.execute(f"insert into jobs ({names}) values ({', '.join('?' * len(row))})", [*row.values()])

    def claim(self, of_a_key: int) -> Job | None:
        """Set a job that waits to in_progress and return it; None if no job waits.

        It is the oldest one of the key that has the fewest in progress. A key has at most `of_a_key` in progress; jobs
        of nobody, on a server without keys, are not counted.
        """
        with self._unsynced():
            rows = self._table.execute(_CLAIM, (time.time(), of_a_key)).fetchall()
        return _job(rows[0]) if rows else None

    def get(self, job_id: str) -> Job | None:
        """Return a job; None if there is none."""
        return self._one("select * from jobs where id = ?", job_id)

    def page(
        self, owner: str | None, after: str | None, limit: int, order: Order, statuses: Sequence[str] = ()
    ) -> list[Job]:
        """Return up to `limit` jobs, ordered by age: those of `owner`, after the job `after`, with one of `statuses`.

        None, or an empty `statuses`, leaves a restriction out.

        Raises:
            RequestError: there is no job `after`.
        """
        conditions, values = [], []
        if statuses:
            conditions.append(f"status in ({', '.join('?' * len(statuses))})")
            values += statuses
        if owner is not None:
            conditions.append("owner = ?")
            values.append(owner)
        if after is not None:
            found = self._rows("select number, owner from jobs where id = ?", after)
            if not found or owner not in (None, found[0]["owner"]):
                raise RequestError(f"there is no video {after!r} to list after")
            conditions.append("number > ?" if order == "asc" else "number < ?")
            values.append(found[0]["number"])
        where = f"where {' and '.join(conditions)}" if conditions else ""
        rows = self._rows(f"select * from jobs {where} order by number {order} limit ?", *values, limit)
        return [_job(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """Return the number of jobs of each status."""
        rows = self._rows("select status, count(*) as jobs from jobs group by status")
        return {row["status"]: row["jobs"] for row in rows}

    def places(self) -> dict[str, int]:
        """Return the place in the queue of each job that waits, by its id, from 1."""
        rows = self._rows("select id from jobs where status = 'queued' order by number")
        return {row["id"]: place for place, row in enumerate(rows, 1)}

    def place(self, job: Job) -> int | None:
        """Return the place of a job in the queue; None for one that does not wait."""
        return self.places().get(job.id) if job.status == "queued" else None

    def under_way(self, owner: str) -> int:
        """Return how many jobs of an owner wait or run."""
        with self._lock:
            return self._under_way(owner)

    def _under_way(self, owner: str) -> int:
        counted = "select count(*) from jobs where owner = ? and status in ('queued', 'in_progress')"
        (jobs,) = self._table.execute(counted, (owner,)).fetchone()
        return jobs

    def stored_bytes(self, owner: str) -> int:
        """Return the bytes of all files of an owner's jobs."""
        rows = self._rows("select id from jobs where owner = ?", owner)
        return sum(path.stat().st_size for row in rows for path in _files(self.folder(row["id"])))

    def ended_before(self, seconds: float) -> list[str]:
        """Return the ids of the jobs that had ended by a time, in seconds since 1970."""
        return [row["id"] for row in self._rows("select id from jobs where completed_at < ?", seconds)]

    def note(self, job_id: str, progress: int) -> bool:
        """Store the progress of a job, in percent; return whether the job is still wanted."""
        with self._unsynced():
            return self._change(
                "update jobs set progress = ? where id = ? and status = 'in_progress'", progress, job_id
            )

    def rate(self, job_id: str, rating: int) -> bool:
        """Store a thumb up (1) or down (-1); return whether there is such a job."""
        return self._changed("update jobs set rating = ? where id = ?", rating, job_id)

    def complete(self, job_id: str) -> bool:
        """Set a job to completed; return whether it was still in progress."""
        return self._changed(
            "update jobs set status = 'completed', progress = 100, completed_at = ? "
            "where id = ? and status = 'in_progress'",
            time.time(),
            job_id,
        )

    def fail(self, job_id: str, code: str, message: str) -> bool:
        """Set a job that waits or runs to failed, and store why; return whether it did."""
        return self._changed(
            "update jobs set status = 'failed', completed_at = ?, error_code = ?, error_message = ? "
            "where id = ? and status in ('queued', 'in_progress')",
            time.time(),
            code,
            message,
            job_id,
        )

    def delete(self, job_id: str) -> bool:
        """Remove a job and its files; return whether there was one. One that runs ends at its next latent frame."""
        there = self._changed("delete from jobs where id = ?", job_id)
        self.remove_files(job_id)
        return there

    def remove_files(self, job_id: str) -> None:
        """Remove the files of a job."""
        shutil.rmtree(self.folder(job_id), ignore_errors=True)

    @contextmanager
    def _unsynced(self) -> Iterator[None]:
        """Hold the table for a change that a crash of the machine may undo: a job would then only begin again."""
        with self._lock:
            self._table.execute(_UNSYNCED)  # a sync can take as long as a forward pass
            try:
                yield
            finally:
                self._table.execute(_SYNCED)

    def _changed(self, statement: str, *values: Any) -> bool:
        with self._lock:
            return self._change(statement, *values)

    def _change(self, statement: str, *values: Any) -> bool:
        return self._table.execute(statement, values).rowcount > 0

    def _rows(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._table.execute(statement, values).fetchall()

    def _one(self, statement: str, *values: Any) -> Job | None:
        rows = self._rows(statement, *values)
        return _job(rows[0]) if rows else None


def _files(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except FileNotFoundError:  # deleted, or nothing is written yet
        return []


def _lock(home: Path) -> IO[str]:
    """Lock a server's home, and return the lock's file. The system unlocks it when the process dies."""
    try:
        file = os.fdopen(os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "w")
    except OSError as error:
        raise RequestError(f"{home / 'lock'} cannot be locked: {reason(error)}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise RequestError(f"another server works in {home}; give this one a --home of its own") from error
    return file


def _opened(path: Path) -> sqlite3.Connection:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))  # it holds what people asked for
    except OSError as error:
        raise RequestError(f"the jobs in {path} cannot be read: {reason(error)}") from error
    table = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    table.row_factory = sqlite3.Row
    try:
        for statement in (
            "pragma journal_mode = wal",
            _SYNCED,
            f"create table if not exists jobs (number integer primary key autoincrement, {_COLUMNS})",
            f"select {', '.join(field.name for field in fields(Job))} from jobs limit 0",
            "create index if not exists jobs_by_status on jobs (status, number)",
            # Jobs that ran when the server ended begin again: the seed gives the same clip.
            "update jobs set status = 'queued', progress = 0, started_at = null where status = 'in_progress'",
        ):
            table.execute(statement)
    except sqlite3.DatabaseError as error:
        table.close()
        raise RequestError(f"the jobs in {path} cannot be read ({error}); move the file away") from error
    return table


def _job(row: sqlite3.Row) -> Job:
    values = {name: row[name] for name in row.keys() if name != "number"}  # noqa: SIM118  (a row is not a mapping)
    values |= {name: json.loads(values[name]) for name in _MAPPINGS}
    values["warnings"] = tuple(json.loads(values["warnings"]))
    return Job(**values)
