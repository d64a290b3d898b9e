"""Stops that are agreed on, and the watchdog. Each in a process of its own, without jax."""

import subprocess
import sys

import pytest

from genjax.errors import UsageError
from genjax.training import processes


def run(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=60)


def test_a_stop_that_came_to_another_process_is_a_stop_here():
    code = """
import signal
from genjax.training.signals import Stopper
with Stopper() as stopper:
    assert not stopper.asked(lambda number: number)
    assert stopper.asked(lambda number: max(number, signal.SIGTERM))
    import os; os.kill(os.getpid(), signal.SIGTERM)  # the scheduler's own, a moment later: it must not end the save
    print(stopper.error("step 3 is saved"))
"""
    ended = run(code)
    assert (ended.returncode, ended.stdout) == (0, "stopped by SIGTERM; step 3 is saved: run the same command again to go on\n"), ended


def test_usr2_prints_the_stacks_and_stops_nothing():
    code = """
import os, signal
from genjax.training.signals import Stopper
def a_function_of_this_name():
    os.kill(os.getpid(), signal.SIGUSR2)
with Stopper():
    a_function_of_this_name()
print("went on")
"""
    ended = run(code)
    assert (ended.returncode, ended.stdout) == (0, "went on\n")
    assert "a_function_of_this_name" in ended.stderr


def test_a_hang_ends_with_124_and_its_stacks(tmp_path):
    code = """
import pathlib, sys, time
from genjax.training.signals import Watchdog
def waits_for_ever():
    time.sleep(60)
with Watchdog(0.01, pathlib.Path(sys.argv[1])) as watchdog:
    for _ in range(8):
        time.sleep(0.1)
        watchdog.beat()
    print("beaten", flush=True)
    waits_for_ever()
"""
    ended = run(code, tmp_path / "logs" / "hang.txt")
    assert (ended.returncode, ended.stdout) == (124, "beaten\n"), ended
    assert "nothing has ended for" in ended.stderr
    assert "waits_for_ever" in (tmp_path / "logs" / "hang.txt").read_text()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_command_with_nothing_to_save_ends_at_once(name):
    """What was printed is there, and neither a thread that still computes nor what catches exceptions is in the way."""
    code = """
import os, signal, sys, threading, time
from genjax.training.signals import ended_at_once
threading.Thread(target=time.sleep, args=(300,)).start()
print("begun")
with ended_at_once():
    try:
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    except BaseException:
        print("caught")
    print("not reached")
"""
    ended = run(code, name)
    assert (ended.returncode, ended.stdout, ended.stderr) == (75, "begun\n", f"stopped by {name}: run the same command again\n")


def test_the_slowest_process_is_named():
    assert processes.slowest([0.001, 0.031, 0.002]) == "  data       process 1 is the slowest with 31.0 ms a step, others take 2.0 ms"


@pytest.mark.parametrize("text", ["one", "auto", "slurm", "kubernetes", "mpi"])
def test_clusters_by_name(text):
    assert processes.parse(text) is None


def test_an_explicit_job():
    assert processes.parse("10.0.0.1:1234,3,8") == ("10.0.0.1:1234", 3, 8)
    assert processes.parse("[::1]:1234,0,1") == ("[::1]:1234", 0, 1)


@pytest.mark.parametrize("text", ["", "two", "host,0,2", "host:port,0,2", "host:1,2,2", "host:1,-1,2", "host:1,0", "host:1,0,2,3", ":1,0,2"])
def test_what_names_no_job(text):
    with pytest.raises(UsageError, match="names no job"):
        processes.parse(text)
