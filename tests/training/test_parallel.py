"""Devices. Oracle: one device. Run as a program, this file trains on eight fake devices in every way and prints what came out as JSON."""

import dataclasses
import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, PartitionSpec

from genjax.errors import UsageError
from genjax.training.parallel import RULES, Parallel
from genjax.training.setup import Run
from genjax.training.state import TrainState
from tests import compiling
from tests.helpers import IMAGES, TOKENS, build, config, make_batch, make_source, random_params

UNET = {"noise_prediction__network": "unet", "unet__channels": 8, "unet__multipliers": "(1, 2)"}
ARMS = {  # objective, data, settings
    "next_token": ("next_token", TOKENS, {}),
    "noise_prediction": ("noise_prediction", IMAGES, {}),
    "noise_prediction with a U-Net": ("noise_prediction", IMAGES, UNET),
}
ROWS, DISPATCHES, STEPS = 16, 3, 2  # three dispatches of two steps
# Moderate noise levels: a last digit of log-SNR is magnified by the frequencies of its embedding. Small steps: Adam divides by the gradient's
# size, so that where a gradient is nothing but rounding, the step is too.
SETTINGS = {
    "model__dropout": 0.2,
    "data__batch_size": ROWS,
    "noise_prediction__logsnr_min": -2.0,
    "noise_prediction__logsnr_max": 2.0,
    "optimizer__learning_rate": 1e-4,
}
LAYOUTS = {
    "one device": {},
    "jit": {"parallel__mode": "jit", "train__accumulation": 2},
    "pmap": {"parallel__mode": "pmap"},
    "mesh": {"parallel__data": 2, "parallel__fsdp": 2, "parallel__tensor": 2, "train__accumulation": 2},
}
# Compiling is all the time that this takes. How rows are split, and by whom, is one thing for every network: next tokens show it in all layouts.
PAIRS = [(arm, layout) for arm in ARMS for layout in LAYOUTS if arm == "next_token" or layout in ("one device", "mesh")]


def make_mesh(**axes: int) -> jax.sharding.Mesh:
    sizes = {"data": 1, "fsdp": 1, "tensor": 1} | axes
    devices = jax.devices()[: np.prod(list(sizes.values()))]
    return jax.make_mesh(tuple(sizes.values()), tuple(sizes), axis_types=(AxisType.Auto,) * 3, devices=devices)


def make_run(arm: str, layout: str) -> Run:
    objective, spec, settings = ARMS[arm]
    settings = SETTINGS | settings | LAYOUTS[layout]
    whole = config(objective, **settings)
    parallel = Parallel("jit", make_mesh()) if layout == "one device" else Parallel.build(whole.parallel, ROWS, whole.train.accumulation)
    return Run(whole, make_source(spec), build(objective, spec, **settings), parallel)


def dispatch(spec, number: int) -> dict[str, np.ndarray]:
    batches = [make_batch(spec, ROWS, seed=i, first=ROWS * i) for i in range(STEPS * number, STEPS * (number + 1))]
    weight = np.random.default_rng(number).choice([0.0, 0.5, 1.0], (STEPS, ROWS)).astype(np.float32)
    return {key: np.stack([batch[key] for batch in batches]) for key in batches[0]} | {"weight": weight}


def start(run: Run) -> TrainState:
    """Random parameters, no average and no moments yet, where a state of the run lies."""
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), run.abstract_state)
    return jax.device_put(zeros.replace(params=random_params(run.objective.init)), run.state_shardings)


def train(run: Run):
    """The state after all dispatches; the metrics; how many programs each dispatch compiled."""
    state, step, metrics, compiled = start(run), run.compile_step(), [], []
    for number in range(DISPATCHES):
        batch, before = run.parallel.put(dispatch(run.source.spec, number), stacked=True), len(COMPILED)
        state, rows = step(state, batch)
        compiled.append(len(COMPILED) - before)
        metrics.append(jax.tree.map(np.asarray, rows))
    return state, jax.tree.map(lambda *rows: np.concatenate(rows), *metrics), compiled


COMPILED: list[float] = []  # seconds of every compilation of this process, once `listen` was called


def listen() -> None:
    def compiled(event: str, seconds: float, **_: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            COMPILED.append(seconds)

    jax.monitoring.register_event_duration_secs_listener(compiled)


def moments(state):
    """Adam's mean of the gradients."""
    (adam,) = [part for part in state.opt_state if isinstance(part, optax.ScaleByAdamState)]
    return adam.mu


def save(file: Path, tree: Any) -> None:
    np.savez(file, **{jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)})


def report(folder: Path, arm: str) -> dict:
    """Trains in every layout; leaves go to an npz each, the rest to a dictionary."""
    told: dict[str, Any] = {"devices": jax.device_count()}
    for layout in (layout for each, layout in PAIRS if each == arm):
        run = make_run(arm, layout)
        state, metrics, compiled = train(run)
        save(folder / f"{arm} {layout}.npz", (state, metrics))
        told[f"{arm} {layout}"] = {"compiled": compiled}
        if arm == "next_token":
            kernel, moment = (tree["trunk"]["blocks"]["mlp"]["gate"]["kernel"] for tree in (state.params, moments(state)))  # layers, embed, mlp
            shards = [kernel.addressable_shards[0].data.shape, moment.addressable_shards[0].data.shape]
            told[f"{arm} {layout}"] |= {"kernel": kernel.shape, "shards": shards, "count": len(kernel.addressable_shards)}
    if arm == "next_token":
        for layout in ("one device", "mesh"):
            save(folder / f"fresh {layout}.npz", make_run(arm, layout).create_state())
        told["drift"] = drift(make_run(arm, "mesh"))
    return told


def drift(run: Run) -> list[list[str]]:
    """Leaves that are said to differ among devices: in a sound state; after one flipped bit in a whole leaf, and in a part of a split one."""
    state, drifted = start(run), run.parallel.compile_drifted(run.state_shardings)
    flipped = state.replace(params=jax.tree.map(flip_the_last_copy, state.params), step=flip_the_last_copy(state.step))
    return [[name for name, differs in drifted(each).items() if differs] for each in (state, flipped)]


def flip_the_last_copy(x: jax.Array) -> jax.Array:
    """x with the lowest bit of the first number flipped on the last device only."""
    parts = [np.array(shard.data) for shard in x.addressable_shards]
    parts[-1].view(np.uint32).reshape(-1)[0] ^= 1
    return jax.make_array_from_single_device_arrays(
        x.shape, x.sharding, [jax.device_put(part, shard.device) for part, shard in zip(parts, x.addressable_shards, strict=True)]
    )


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """What this file prints as a program about an arm, and the folder of the trained states: eight("next_token")."""
    environment = os.environ | {"XLA_FLAGS": compiling.devices(8), "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(Path(__file__).parents[2])}

    @functools.cache
    def get(arm: str) -> tuple[dict[str, Any], Path]:
        folder = tmp_path_factory.mktemp("eight")
        done = subprocess.run([sys.executable, __file__, folder, arm], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout.splitlines()[-1]), folder

    return get


def pairs(*layouts: str) -> list[Any]:
    """Arms and layouts; what is not next_token is slow."""
    return [pytest.param(*pair, marks=[pytest.mark.slow] * (pair[0] != "next_token")) for pair in PAIRS if pair[1] in layouts]


@pytest.mark.parametrize(("arm", "layout"), pairs("jit", "pmap", "mesh"))
def test_eight_devices_train_as_one(arm, layout, eight):
    """Six steps of AdamW with dropout, hidden labels, uneven weights and micro-batches: parameters, average, moments, metrics."""
    told, folder = eight(arm)
    assert told["devices"] == 8
    assert_close(folder / f"{arm} {layout}.npz", folder / f"{arm} one device.npz", tolerance=2e-5)


def test_a_fresh_state_does_not_depend_on_where_it_lies(eight):
    _, folder = eight("next_token")
    assert_close(folder / "fresh mesh.npz", folder / "fresh one device.npz", tolerance=1e-6)


def assert_close(got: Path, expected: Path, tolerance: float) -> None:
    """Every leaf within `tolerance` of its largest value."""
    got, expected = np.load(got), np.load(expected)
    assert sorted(got.files) == sorted(expected.files)
    for leaf in expected.files:
        np.testing.assert_allclose(got[leaf], expected[leaf], rtol=0, atol=tolerance * np.abs(expected[leaf]).max(), err_msg=leaf)


@pytest.mark.parametrize(("arm", "layout"), pairs(*LAYOUTS))
def test_a_step_is_compiled_once(arm, layout, eight):
    """The state that comes out of a step is one that the next step was compiled for."""
    first, *later = eight(arm)[0][f"{arm} {layout}"]["compiled"]
    assert first > 0
    assert later == [0] * (DISPATCHES - 1)


def test_a_mesh_splits_parameters_and_what_the_optimizer_keeps_for_them(eight):
    mesh, rows = (eight("next_token")[0][f"next_token {layout}"] for layout in ("mesh", "jit"))
    layers, embed, mlp = mesh["kernel"]
    assert mesh["shards"] == [[layers, embed // 2, mlp // 2]] * 2
    assert mesh["count"] == 8
    assert rows["shards"] == [rows["kernel"]] * 2


def test_one_flipped_bit_on_one_device_is_found(eight):
    told, folder = eight("next_token")
    sound, flipped = told["drift"]
    assert sound == []
    params = {name for name in np.load(folder / "fresh mesh.npz").files if name.startswith(".params")}
    assert len(flipped) == 1 + len(params), "each parameter and the step, and nothing else"
    assert {name.split("/")[0] for name in flipped} == {"step", "params"}


# ---- layouts, without devices --------------------------------------------------------------------------------------


@dataclasses.dataclass
class Settings:
    data: int = -1
    fsdp: int = 1
    tensor: int = 1
    mode: str = "jit"
    cpu_devices: int | None = None


def test_a_cpu_becomes_so_many_devices_once():
    """In a process of its own: jax makes its devices once."""
    program = """
import jax
from genjax.errors import UsageError
from genjax.training.parallel import Parallel
from tests.training.test_parallel import Settings
parallel = Parallel.build(Settings(cpu_devices=3), 6, 2)
assert (jax.device_count(), parallel.row_count) == (3, 3)
assert Parallel.build(Settings(), 3, 1).row_count == 3, "as there are"
try:
    Parallel.build(Settings(cpu_devices=2), 4, 1)
except UsageError as error:
    print(error)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(
        "parallel.cpu_devices=2, and this process works with 3 already: give it the same number for all its runs, or set XLA"
    )


@pytest.fixture
def devices(monkeypatch):
    """Pretends that there are eight devices, for all that is decided before any is used."""
    monkeypatch.setattr(jax, "device_count", lambda: 8)
    monkeypatch.setattr(jax, "make_mesh", lambda shape, names, axis_types: jax.sharding.AbstractMesh(shape, names, axis_types=axis_types))


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        (Settings(), {"data": 8, "fsdp": 1, "tensor": 1}),
        (Settings(fsdp=4), {"data": 2, "fsdp": 4, "tensor": 1}),
        (Settings(data=2, fsdp=2, tensor=2), {"data": 2, "fsdp": 2, "tensor": 2}),
    ],
    ids=str,
)
def test_mesh_takes_all_devices(settings, shape, devices):
    parallel = Parallel.build(settings, 32, 2)
    assert dict(parallel.mesh.shape) == shape
    assert parallel.row_count == shape["data"] * shape["fsdp"]


@pytest.mark.parametrize("settings", [Settings(data=3), Settings(data=4), Settings(fsdp=3), Settings(data=8, tensor=2)], ids=str)
def test_numbers_that_do_not_multiply_to_the_devices_are_refused(settings, devices):
    with pytest.raises(UsageError, match="do not multiply to the 8 devices"):
        Parallel.build(settings, 32, 1)


@pytest.mark.parametrize(("batch", "accumulation", "advice"), [(12, 1, 8), (40, 2, 32), (4, 1, 8), (8, 2, 16)])
def test_a_micro_batch_that_does_not_split_is_refused_with_one_that_does(batch, accumulation, advice, devices):
    with pytest.raises(UsageError, match=f"use data.batch_size={advice}$"):
        Parallel.build(Settings(), batch, accumulation)
    Parallel.build(Settings(), advice, accumulation)


def test_parameters_are_split_by_the_names_of_their_axes(devices):
    parallel = Parallel.build(Settings(data=2, fsdp=2, tensor=2), 32, 1)
    cases = {  # shape, names -> split
        "kernel": ((3, 16, 32), ("layers", "embed", "mlp"), PartitionSpec(None, "fsdp", "tensor")),
        "heads": ((3, 16, 4, 8), ("layers", "embed", "heads", "head"), PartitionSpec(None, "fsdp", "tensor", None)),
        "odd heads": ((3, 16, 3, 8), ("layers", "embed", "heads", "head"), PartitionSpec(None, "fsdp", None, None)),
        "odd vocabulary": ((17, 15), ("vocab", "embed"), PartitionSpec(None, None)),
        "norm": ((16,), ("norm",), PartitionSpec(None)),
    }
    shapes = {name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, (shape, _, _) in cases.items()}
    shardings = parallel.parameter_shardings(shapes, {name: names for name, (_, names, _) in cases.items()})
    assert {name: sharding.spec for name, sharding in shardings.items()} == {name: spec for name, (_, _, spec) in cases.items()}


def test_an_unlisted_axis_is_refused(devices):
    with pytest.raises(KeyError, match="colour"):
        Parallel.build(Settings(), 8, 1).parameter_shardings({"w": jax.ShapeDtypeStruct((2,), jnp.float32)}, {"w": ("colour",)})
    assert set(RULES.values()) <= {None, "fsdp", "tensor"}


def test_put_and_gather_give_back_what_was_put():
    parallel = Parallel("jit", make_mesh())
    batch = make_batch(IMAGES, 6)
    for placed in (parallel.put(batch), parallel.put_whole(batch)):
        for name, rows in batch.items():
            np.testing.assert_array_equal(parallel.gather(placed[name]), rows)
            assert placed[name].dtype == rows.dtype


if __name__ == "__main__":
    listen()
    print(json.dumps(report(Path(sys.argv[1]), sys.argv[2])))
