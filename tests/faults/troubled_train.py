"""scripts/train.py on a machine in trouble: the first argument is one of TROUBLES, the others are the script's own."""

import os
import runpy
import signal
import sys
import time
from pathlib import Path

from genjax.data import loader
from genjax.errors import DataError
from genjax.evaluation import evaluator

take, leave_if_asked = loader.TrainBatches.take, evaluator.leave_if_asked
taken = []


def take_slowly(self, count):
    """The data of every dispatch come 30 ms late."""
    time.sleep(0.03)
    return take(self, count)


def take_or_wait(self, count):
    """No data come after eight dispatches, or nearly none."""
    taken.append(count)
    if len(taken) > 8:
        time.sleep(3600)
    return take(self, count)


def take_or_fail(self, count):
    """No data come after eight dispatches, and it is said why."""
    taken.append(count)
    if len(taken) > 8:
        raise DataError("shard 3 cannot be read")
    return take(self, count)


def be_stopped():
    """SIGTERM comes in the middle of the first measurement."""
    os.kill(os.getpid(), signal.SIGTERM)
    evaluator.leave_if_asked = leave_if_asked
    leave_if_asked()


TROUBLES = {
    "slow": (loader.TrainBatches, "take", take_slowly),
    "stuck": (loader.TrainBatches, "take", take_or_wait),
    "broken": (loader.TrainBatches, "take", take_or_fail),
    "stopped": (evaluator, "leave_if_asked", be_stopped),
}

if __name__ == "__main__":
    setattr(*TROUBLES[sys.argv.pop(1)])
    runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "train.py"), run_name="__main__")
