"""Being asked to stop: the signal is noted, the loop saves at the next step boundary and exits with the code that says so."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType
from typing import Any

from genjax.errors import Interrupted, Preempted

FORCED_EXIT = 143


class Stopper:
    """A context in which SIGTERM, SIGUSR1 and SIGINT ask for a stop. A second signal ends the process at once."""

    SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Stopper:
        self._previous = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def error(self, saved: str) -> Preempted:
        """What to raise once everything is saved; `saved` says what."""
        kind = Interrupted if self.received == signal.SIGINT else Preempted
        return kind(f"stopped by {signal.Signals(self.received).name}; {saved}: run the same command again to go on")

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            os._exit(FORCED_EXIT)
        self.received = number
