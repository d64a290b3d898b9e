"""Every way a genjax command ends, as one table: an exception and the exit code it stands for.

A message is one or two sentences for the person at the terminal: what is wrong, where, and how to mend it.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import traceback
from collections.abc import Iterable

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # C0 without tab and new line, and C1


class GenjaxError(Exception):
    """Base of the errors that are shown as one sentence, without a traceback."""

    exit_code = 1


class UsageError(GenjaxError):
    """A command line or a config that cannot be run; nothing was written."""

    exit_code = 2


class DataError(GenjaxError):
    """A data set that is missing, malformed or not what the config says."""

    exit_code = 65


class CheckpointError(GenjaxError):
    """A checkpoint that is missing, damaged or of another model."""

    exit_code = 65


class PeerError(GenjaxError):
    """Another process of the job is gone, or cannot be reached."""

    exit_code = 69


class NonFiniteError(GenjaxError):
    """The loss or a gradient is not a finite number."""

    exit_code = 70


class DriftError(GenjaxError):
    """Devices that hold the same part of the state hold different numbers."""

    exit_code = 70


class LockedError(GenjaxError):
    """Another process is writing to the run directory."""

    exit_code = 73


class SaveError(GenjaxError):
    """A file could not be written."""

    exit_code = 74


class Preempted(GenjaxError):
    """The run was asked to stop, saved its state and can be started again with the same command."""

    exit_code = 75


class Interrupted(Preempted):
    """Ctrl-C: saved like a preemption, with the exit code that shells expect."""

    exit_code = 130


class HangError(GenjaxError):
    """No step has ended for so long that one never will."""

    exit_code = 124


def exit_code(error: BaseException) -> int:
    """The exit code that an error stands for."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, GenjaxError):
        return error.exit_code
    return Interrupted.exit_code if isinstance(error, KeyboardInterrupt) else SaveError.exit_code if isinstance(error, OSError) else 1


def report(error: BaseException) -> int:
    """Tells the person at the terminal how a command ended, in one sentence where it can be said in one; returns the exit code."""
    if isinstance(error, SystemExit):
        return exit_code(error)
    if os.environ.get("GENJAX_DEBUG") or not isinstance(error, GenjaxError | KeyboardInterrupt | OSError):
        traceback.print_exception(error)
    if isinstance(error, GenjaxError):
        print(visible(str(error) if isinstance(error, Preempted) else f"error: {error}"), file=sys.stderr)
    elif isinstance(error, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
    elif isinstance(error, OSError):
        print(visible(f"error: {error.filename or 'a file'} could not be read or written: {error.strerror or error}"), file=sys.stderr)
    return exit_code(error)


def visible(text: str) -> str:
    """Text for a terminal that somebody else wrote: what would move its cursor or change its colours is shown as an escape, "\\x1b[2J"."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word, ": did you mean 'x'?", or nothing where no known word is near."""
    nearest = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.5)
    return f": did you mean '{nearest[0]}'?" if nearest else ""
