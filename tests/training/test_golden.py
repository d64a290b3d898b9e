"""Checkpoints of earlier versions are read by this one: to the last bit, and they mean the same.

Each folder of golden/ is a run as its version wrote it, with what was true of it then in expected.json. A new one, with a new format:

  python -m tests.training.test_golden NAME
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from genjax import config as configs
from genjax.evaluation.evaluator import Evaluator
from genjax.evaluation.trained import load
from genjax.training.checkpoint import Checkpoints, digest
from genjax.training.loop import train
from genjax.training.setup import Run
from genjax.training.workdir import Workdir

GOLDEN = Path(__file__).with_name("golden")
EXAMPLES = 16
SETTINGS = {
    "model.width": "12",
    "model.depth": "1",
    "model.heads": "2",
    "model.mlp_ratio": "1",
    "train.duration": "2 steps",
    "train.checkpoint_every": "2 steps",
    "train.steps_per_dispatch": "2",
    "logging.tensorboard": "false",
}


def truths(path: Path) -> dict:
    """The sha256 of a run's newest state, and the bits a unit of its averaged parameters."""
    run = Run.build(Workdir(path).read_config(configs.base_fields()), path)
    checkpoints = Checkpoints(path / "checkpoints", keep=None)
    step = checkpoints.latest()
    bits = Evaluator(run).bits(load(path, {}).params, EXAMPLES)
    return {"step": step, "digest": digest(checkpoints.restore(step, run.abstract_state)), "bits": bits.value, "kind": bits.kind}


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*")))
def test_a_run_of_an_earlier_version_is_read_and_means_the_same(name):
    expected = json.loads((GOLDEN / name / "expected.json").read_text())
    got = truths(GOLDEN / name)
    assert (got["step"], got["digest"], got["kind"]) == (expected["step"], expected["digest"], expected["kind"])
    assert got["bits"] == pytest.approx(expected["bits"], rel=1e-5)


def make(path: Path) -> None:
    """Writes a run of next-token prediction on the embedded digits, of what is needed to read it."""
    config = configs.load("configs/digits.py:next_token", configs.base_fields(), SETTINGS)
    folder = Path(tempfile.gettempdir()) / "golden"  # its name is in what orbax writes
    train(config, folder, lambda run: [])
    (folder / "expected.json").write_text(json.dumps(truths(folder), indent=2) + "\n")
    path.mkdir()
    for name in ("config.json", "expected.json", "checkpoints"):
        shutil.move(folder / name, path / name)
    shutil.rmtree(folder)


if __name__ == "__main__":
    make(GOLDEN / sys.argv[1])
