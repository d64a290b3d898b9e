"""Being asked to stop, and not going on: signals and the watchdog.

A signal is noted, the loop saves at the next step boundary and exits with the code that says so. SIGUSR2 stops nothing: it prints the stack of every
thread. The watchdog does the same for a step that never ends, and then ends the process, which nobody else would.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from genjax.errors import HangError, Interrupted, Preempted

FORCED_EXIT = 143
_asking: list[Callable[[], bool]] = []  # of the training that goes on in this process, if one does


class Asked(Exception):
    """A stop is asked for in the middle of a measurement, which is left as if it had not begun."""


def leave_if_asked() -> None:
    """To be called between the batches of a measurement; of a job of many processes, by all of them. Does nothing outside a training."""
    if any(asked() for asked in _asking):
        raise Asked


class Stopper:
    """A context in which SIGTERM, SIGUSR1 and SIGINT ask for a stop. A second signal ends the process at once."""

    SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)

    def __init__(self) -> None:
        self.received: int | None = None  # by this process
        self.agreed = 0  # by any of them
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Stopper:
        self._previous = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        with contextlib.suppress(OSError, ValueError):  # there is no such output
            faulthandler.register(signal.SIGUSR2, file=2, all_threads=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def error(self, saved: str) -> Preempted:
        """What to raise once everything is saved; `saved` says what."""
        number = self.agreed or self.received
        kind = Interrupted if number == signal.SIGINT else Preempted
        return kind(f"stopped by {signal.Signals(number).name}; {saved}: run the same command again to go on")

    def asked(self, agree: Callable[[int], int]) -> bool:
        """Whether any process is to stop; `agree` takes every process's number to the largest. All of them stop at the same step."""
        self.agreed = self.agreed or agree(self.received or 0)
        return self.agreed != 0

    @contextlib.contextmanager
    def during(self, agree: Callable[[int], int]) -> Iterator[None]:
        """A context in which a measurement is left (`leave_if_asked`) where a stop is asked for."""
        _asking.append(lambda: self.asked(agree))
        try:
            with contextlib.suppress(Asked):
                yield
        finally:
            _asking.pop()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            os._exit(FORCED_EXIT)
        self.received = number


@contextlib.contextmanager
def ended_at_once() -> Iterator[None]:
    """A context in which SIGTERM and SIGUSR1 end a command that has nothing to save, with the exit code of a preemption.

    The process ends in the handler: unwinding and the interpreter's own end would run beside programs of XLA that still compute in threads of theirs,
    and crash.
    """

    def end(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(RuntimeError, OSError):  # the signal may have come in the middle of a print
            sys.stdout.flush()
        os.write(2, f"stopped by {signal.Signals(number).name}: run the same command again\n".encode())
        os._exit(Preempted.exit_code)

    previous = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class Watchdog:
    """Ends the process with exit code 124, and the stack of every thread in `path`, when `beat` is not called for `minutes` (None: never).

    `ended` is told why, before that.

    It is a thread, because the main one is then inside a program of XLA that waits for a device or for another process.
    """

    def __init__(self, minutes: float | None, path: Path, ended: Callable[[str], None] = lambda reason: None) -> None:
        self.minutes, self.path, self.ended = minutes, path, ended
        self._last, self._over = time.monotonic(), threading.Event()

    def __enter__(self) -> Watchdog:
        if self.minutes is not None:
            threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def beat(self) -> None:
        """Something has ended."""
        self._last = time.monotonic()

    def _watch(self) -> None:
        assert self.minutes is not None
        while not self._over.wait(min(1.0, 6 * self.minutes)):
            quiet = time.monotonic() - self._last
            if quiet > 60 * self.minutes:
                reason = f"nothing has ended for {quiet:.0f} s (train.hang_minutes={self.minutes:g}): see {self.path}"
                print(f"error: {reason}", file=sys.stderr, flush=True)
                with contextlib.suppress(OSError):
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                    with self.path.open("w") as file:
                        faulthandler.dump_traceback(file, all_threads=True)
                with contextlib.suppress(Exception):  # a file system that hangs as well must not keep the process
                    self.ended(reason)
                os._exit(HangError.exit_code)
