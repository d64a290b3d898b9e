"""What else the machine does while something is timed."""

from __future__ import annotations

import os
import time
from pathlib import Path

IDLE = 0.1  # cores in use by others, below which the machine is idle


def busy() -> float:
    """CPU seconds that all processes have used since the machine was started; 0 where the system does not say."""
    try:
        user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
    except (OSError, ValueError):
        return 0.0
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def wait_for_idle(longest: float) -> None:
    """Returns when others use less than IDLE of a core, or after `longest` seconds."""
    give_up = time.monotonic() + longest
    while time.monotonic() < give_up:
        before, started = busy(), time.monotonic()
        time.sleep(0.1)
        if (busy() - before) / (time.monotonic() - started) < IDLE:
            return


class Others:
    """Cores that other processes have used since this was made."""

    def __init__(self) -> None:
        self.busy, self.own, self.started = busy(), time.process_time(), time.monotonic()

    def cores(self) -> float:
        used = busy() - self.busy - (time.process_time() - self.own)
        return max(0.0, used / max(time.monotonic() - self.started, 1e-9))
