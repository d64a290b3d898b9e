"""scripts/train.py on a machine whose data take 30 ms a dispatch more."""

import runpy
import time
from pathlib import Path

from genjax.data import loader

take = loader.TrainBatches.take


def take_slowly(self, count):
    time.sleep(0.03)
    return take(self, count)


if __name__ == "__main__":
    loader.TrainBatches.take = take_slowly
    runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "train.py"), run_name="__main__")
