"""A run's directory: who may write in it, and the small files that tell what happened.

    <workdir>/
      .lock          held by the one process that trains here: {host, pid, started, command}
      config.json    the resolved configuration
      status.json    {state, step, exit_code, reason, restarts}
      metrics.jsonl  one row a line
      checkpoints/   see checkpoint.py
      samples/
      snapshots/     where averages are tracked; see snapshots.py

In a run of many processes, process 0 alone locks and writes; the calls below do nothing on the others.

Every JSON file here is strict: it has no NaN or Infinity, so that any reader accepts it. A number that is not finite is written as the
string "nan", "inf" or "-inf".
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import logging
import math
import os
import shlex
import socket
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from genjax.config import Field, from_json
from genjax.errors import CheckpointError, GenjaxError, LockedError, SaveError, UsageError

logger = logging.getLogger(__name__)


def is_primary() -> bool:
    """Whether this is process 0, the one that writes."""
    import jax  # not at the top of the file: to read a status needs no jax

    return jax.process_index() == 0


def decide(choose: Callable[[], int]) -> int:
    """Process 0 chooses and every process gets its answer. What it raises is raised everywhere, so that no process waits for a dead one."""
    import jax
    import numpy as np
    from jax.experimental import multihost_utils

    answer, error = 0, None
    if jax.process_index() == 0:
        try:
            answer = choose()
        except Exception as caught:
            error = caught
    code = 0 if error is None else getattr(error, "exit_code", 1)
    answer, code = (int(number) for number in multihost_utils.broadcast_one_to_all(np.array([answer, code], np.int32)))
    if error is not None:
        raise error
    if code:
        elsewhere = GenjaxError("Process 0 stopped; its log has the reason.")
        elsewhere.exit_code = code
        raise elsewhere
    return answer


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the operating system says about `path` into one sentence."""
    try:
        yield
    except OSError as error:
        raise SaveError(f"{path} could not be written: {error.strerror or error}.") from error


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if hasattr(value, "item"):  # a scalar of numpy or jax
        return _strict(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def dumps(value: Any, **options: Any) -> str:
    """Strict JSON; see the top of this file for numbers that are not finite."""
    return json.dumps(_strict(value), allow_nan=False, **options)


def loads(content: str | bytes) -> Any:
    """The value that JSON stands for; ValueError for what is none."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def replace(path: Path, content: bytes) -> None:
    """Writes a whole file or nothing: at every instant `path` holds the old content or the new one, also after a power cut."""
    partial = path.with_name(f".{path.name}.tmp")
    with writing(path):
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)


class Workdir:
    """A run's directory. Training holds it with `with workdir:`; sampling and evaluation only read it."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path).expanduser().resolve()  # orbax refuses a relative path, and only inside the background save
        self.checkpoints = self.path / "checkpoints"
        self.samples = self.path / "samples"
        self.snapshots = self.path / "snapshots"
        self._lock: int | None = None
        self._restarts, self._step = 0, 0
        self.was_complete = False  # when it was taken up

    def acquire(self) -> Workdir:
        """Makes the directory and locks it, or raises LockedError with the name of its holder.

        The lock is the kernel's (flock): it ends with its process, however that ends, so that there is never a stale one to delete.
        """
        decide(self._acquire)
        return self

    def _acquire(self) -> int:
        with writing(self.path):
            self._lock_folder()
            self.checkpoints.mkdir(exist_ok=True)
            self.samples.mkdir(exist_ok=True)
        self._restarts, self._step, self.was_complete = 0, 0, False
        with contextlib.suppress(CheckpointError, TypeError, KeyError):
            before = self.read_json("status.json")
            self._restarts, self._step, self.was_complete = before["restarts"] + 1, before["step"], before["state"] == "complete"
        return 0

    def _lock_folder(self) -> None:
        existing = next(folder for folder in (self.path, *self.path.parents) if folder.exists())
        if not existing.is_dir():
            raise SaveError(f"{self.path} cannot be a run directory: {existing} is a file.")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise SaveError(f"{self.path} cannot be a run directory: there is no permission to write in {existing}.")
        self.path.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT)  # a bare descriptor: it is not closed when this object is forgotten
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(os.read(lock, 1 << 16))
            os.close(lock)
            if isinstance(error, BlockingIOError):
                raise LockedError(f"{self.path} is in use by {holder}.") from None
            raise  # a file system without locks
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        os.ftruncate(lock, 0)
        os.write(lock, dumps({"host": socket.gethostname(), "pid": os.getpid(), "started": now, "command": shlex.join(sys.argv)}).encode())
        self._lock = lock

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)  # the file stays: to delete it would let two processes each lock their own
            self._lock = None

    def __enter__(self) -> Workdir:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def write_json(self, name: str, value: Any) -> None:
        if is_primary():
            replace(self.path / name, dumps(value, indent=2).encode() + b"\n")

    def read_json(self, name: str) -> Any:
        try:
            return loads((self.path / name).read_bytes())
        except OSError as error:
            raise CheckpointError(f"{self.path / name} cannot be read ({error.strerror}): is this a run directory?") from error
        except ValueError as error:
            raise CheckpointError(f"{self.path / name} is damaged: {error}.") from error

    def read_config(self, fields: Mapping[str, Field]) -> Any:
        """The run's config, checked; a sentence about it names the file."""
        tree = self.read_json("config.json")
        try:
            return from_json(tree, fields)
        except UsageError as error:
            raise UsageError(f"{self.path / 'config.json'}: {error}") from None

    def reached(self, step: int) -> None:
        """Notes the step for the next status."""
        self._step = step

    def status(self, state: str, step: int | None = None, exit_code: int | None = None, reason: str | None = None) -> None:
        """Writes status.json. `step` is by default the last that was told; `restarts` counts the times that this directory was taken up again."""
        self._step = self._step if step is None else step
        self.write_json("status.json", {"state": state, "step": self._step, "exit_code": exit_code, "reason": reason, "restarts": self._restarts})


def _holder(content: bytes) -> str:
    try:
        held = loads(content)
        return f"process {held['pid']} on {held['host']} since {held['started']} ({held['command']})"
    except (ValueError, KeyError, TypeError):
        return "another process"


class MetricsLog:
    """metrics.jsonl: an append-only list of rows, each with its `step`.

    A row is handed to the kernel as soon as it is written, so that a kill loses none and tears at most the last. Rows for which there is no room wait
    for the next one, in order: a full disk ends a run by its checkpoints, if it stays full, and not by a row. A resumed run calls
    `truncate_after(step)` with the step it resumes from: then each step appears once.
    """

    def __init__(self, path: Path):
        self._path = path
        self._file: FileIO | None = None
        self._waiting = bytearray()
        if is_primary():
            with writing(path):
                self._file = path.open("ab", buffering=0)

    def write(self, row: dict[str, Any]) -> None:
        if "step" not in row:
            raise ValueError(f"a row of metrics needs a step: {row}")
        line = dumps(row).encode() + b"\n"
        if self._file is not None:
            refused = bool(self._waiting)
            self._waiting += line
            try:
                self._hand_over()
            except OSError as error:
                if not refused:  # said once, until there is room again
                    logger.error("%s could not be written, its rows wait: %s", self._path, error.strerror or error)

    def _hand_over(self) -> None:
        assert self._file is not None
        while self._waiting:
            del self._waiting[: self._file.write(self._waiting)]

    def truncate_after(self, step: int, again: Collection[str] = ()) -> None:
        """Drops, in one atomic step, the rows of later steps, any line that is not a whole row, and of this step the splits of `again`."""
        if self._file is None:
            return
        self._file.close()
        lines = self._path.read_bytes().splitlines(keepends=True)
        found = [(line, _step_and_split(line)) for line in lines]
        kept = [line for line, (at, split) in found if at is not None and (at < step or (at == step and split not in again))]
        if len(kept) < len(lines):
            logger.info("%s: %d of %d rows are later than step %d or torn, and dropped", self._path, len(lines) - len(kept), len(lines), step)
            replace(self._path, b"".join(kept))
        self._file = self._path.open("ab", buffering=0)

    def flush(self) -> None:
        """Returns when the rows would survive a power cut, but for those that wait for room."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._hand_over()
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """SaveError where rows are lost."""
        if self._file is not None:
            with writing(self._path):
                try:
                    self._hand_over()
                finally:
                    self._file.close()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl, without a torn last one; CheckpointError for a line that is none."""
    try:
        return [loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}): is this a run directory?") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: {error}.") from error


def _step_and_split(line: bytes) -> tuple[int | None, str]:
    """Of a row, (None, "") of what is none."""
    if not line.endswith(b"\n"):
        return None, ""
    try:
        row = loads(line)
        step, split = row["step"], row.get("split", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, ""
    return (step, split) if isinstance(step, int) else (None, "")
