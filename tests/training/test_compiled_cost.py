"""Guards of speed that no clock is needed for: what XLA says that a compiled step computes and moves, against figures that are committed.

The figures depend on jaxlib. They are written anew by `python -m tests.training.test_compiled_cost`, which is right when a change is meant or jaxlib
is another; the difference then stands in the commit.
"""

import json
import sys
from pathlib import Path

import jax
import jaxlib
import pytest

from genjax.training import ema, optimizer, state
from genjax.training.step import make_train_step
from genjax.types import DataSpec
from tests import compiling
from tests.helpers import build, config, make_batch

FIGURES = Path(__file__).with_name("compiled_cost.json")
TOLERANCE = {"flops": 0.01, "bytes accessed": 0.05}

TEXT = DataSpec("text", "tokens", (32,), 65, 0, 100, 10)
IMAGES = DataSpec("images", "image", (8, 8, 3), 256, 10, 100, 10)
BLOCKS = {"model__width": 64, "model__depth": 2, "model__heads": 4}
STEPS = {
    "gpt": ("next_token", TEXT, BLOCKS),
    "dit": ("noise_prediction", IMAGES, BLOCKS | {"noise_prediction__patch_size": 2}),
    "unet": ("noise_prediction", IMAGES, {"noise_prediction__network": "unet", "unet__channels": 16, "unet__multipliers": "1,2"}),
}


def measure(name: str) -> dict[str, float]:
    """The cost analysis of one whole training step on a batch of 4, without loops, which it would count once.

    Compiled quickly, as in all tests: what is fused is decided before.
    """
    objective_name, spec, fields = STEPS[name]
    settings, objective = config(objective_name, **fields), build(objective_name, spec, **fields)
    transform = optimizer.build(settings.optimizer, state.logical_axes(objective), warmup=2, total=20, width=64)
    average = ema.average(settings.optimizer.ema.parts)
    step = make_train_step(objective, transform, seed=0, average=average)
    before = jax.eval_shape(lambda: state.create(objective, transform, 0))
    compiled = jax.jit(step, donate_argnums=0).lower(before, make_batch(spec, 4)).compile()
    found = compiled.cost_analysis()
    return {quantity: found[quantity] for quantity in TOLERANCE}


@pytest.mark.parametrize("name", ["gpt", "dit", pytest.param("unet", marks=pytest.mark.slow)])
def test_a_compiled_step_computes_and_moves_no_more_than_is_known(name):
    known = json.loads(FIGURES.read_text())
    if known["jaxlib"] != jaxlib.__version__:
        pytest.skip(f"the figures are of jaxlib {known['jaxlib']}; renew them with python -m tests.training.test_compiled_cost")
    found = measure(name)
    for quantity, tolerance in TOLERANCE.items():
        assert found[quantity] == pytest.approx(known["steps"][name][quantity], rel=tolerance), (
            f"{name}: {quantity} changed; where that is meant: python -m tests.training.test_compiled_cost"
        )


def test_several_steps_a_dispatch_keep_no_second_copy_of_the_state():
    """A dispatch of k steps needs the memory of one: the state that goes in is given away, and what comes out lies where it lay."""
    from genjax.training.step import several

    objective_name, spec, fields = STEPS["gpt"]
    settings, objective = config(objective_name, **fields), build(objective_name, spec, **fields)
    transform = optimizer.build(settings.optimizer, state.logical_axes(objective), warmup=2, total=20, width=64)
    step = make_train_step(objective, transform, seed=0, average=ema.average(settings.optimizer.ema.parts))
    before = jax.eval_shape(lambda: state.create(objective, transform, 0))
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(before))
    stacked = jax.tree.map(lambda x: jax.ShapeDtypeStruct((8, *x.shape), x.dtype), make_batch(spec, 4))
    memory = jax.jit(several(step), donate_argnums=0).lower(before, stacked).compile().memory_analysis()
    assert memory.alias_size_in_bytes >= 0.99 * size


if __name__ == "__main__":
    compiling.quicken()
    figures = {"jaxlib": jaxlib.__version__, "steps": {name: measure(name) for name in STEPS}}
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
    sys.stdout.write(FIGURES.read_text())
