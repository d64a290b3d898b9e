"""What a training will need. Oracles: bytes and traffic by the formulas of data-parallel and fully sharded training, and XLA's own analysis."""

import json
import os
import re
import resource
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from genjax.training import mesh, planning
from genjax.types import DataSpec
from tests.helpers import config, make_source

TEXT = DataSpec("text", "tokens", (32,), 97, 0, 1000, 10)
PICTURES = DataSpec("pictures", "image", (16, 16, 3), 256, 10, 1000, 10)
MODEL = {
    "model__width": 128,
    "model__depth": 3,
    "model__heads": 4,
    "model__mlp_ratio": 4.0,
    "model__scan_layers": True,
    "data__batch_size": 64,
}


def plan_of(objective, spec, devices, **overrides):
    run = planning._planned(config(objective, **(MODEL | overrides)), spec, mesh.parse(devices))
    return run, planning.estimate(run)


def size(tree):
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


@pytest.fixture(scope="module")
def whole():
    return plan_of("next_token", TEXT, "data:8")


def test_every_device_of_a_data_parallel_run_holds_everything(whole):
    run, need = whole
    params = size(run.abstract_state.params)
    assert (need.parameters, need.averages) == (params, params)
    assert need.optimizer == pytest.approx(2 * params, rel=1e-4), "two moments and a few counts"
    assert need.batch == (32 * 4 + 4 + 4) * 64 / 8


def test_a_data_parallel_step_sends_every_gradient_once(whole):
    """A ring: (n-1)/n of the bytes to add up, and the same to hand the sums on."""
    run, need = whole
    assert need.collectives["data"] == pytest.approx(2 * 7 / 8 * size(run.abstract_state.params), rel=0.03)
    assert need.collectives["fsdp"] == need.collectives["tensor"] == 0


def test_a_fully_sharded_run_holds_a_part_and_sends_half_as_much_again(whole):
    """The matrices are gathered for the forward pass and for the backward pass, and their gradients are added where they lie."""
    run, need = plan_of("next_token", TEXT, "fsdp:8")
    assert need.parameters < size(run.abstract_state.params) / 8 * 1.05, "all but the scales of norms are split"
    assert need.collectives["fsdp"] == pytest.approx(3 / 2 * whole[1].collectives["data"], rel=0.1)
    assert need.collectives["data"] == 0


def test_operations_are_those_of_the_step_however_it_is_laid_out(whole):
    assert plan_of("next_token", TEXT, "data:2,fsdp:2,tensor:2")[1].flops == whole[1].flops


def test_recomputation_takes_less_memory_and_more_operations(whole):
    less = plan_of("next_token", TEXT, "data:8", model__remat=True)[1]
    assert less.activations < 0.6 * whole[1].activations
    assert 1.1 * whole[1].flops < less.flops < 1.4 * whole[1].flops


def test_recomputation_is_no_use_of_the_devices(whole, monkeypatch):
    """The model's operations, and with them the ceiling of MFU, are those of the same step that recomputes nothing."""
    again = {"model__remat": True, "next_token__loss_chunk": 8}
    _, need = plan_of("next_token", TEXT, "data:8", **again)
    assert need.model_flops == whole[1].model_flops == whole[1].flops < need.flops
    monkeypatch.setitem(planning.HARDWARE, "slow", planning.Hardware("", {"float32": 1e6}, 1e12, 1e15, 1e15))  # bound by its matrix units
    monkeypatch.setattr(planning, "estimate", lambda run: need)
    said = planning.plan(config("next_token", **(MODEL | again)), TEXT, mesh.parse("data:8"), "slow")
    ceiling = 100 * whole[1].flops / need.flops
    assert ceiling < 95
    assert re.search(r"MFU, at most +(\d+) %", said)[1] == f"{ceiling:.0f}"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H200", "h200"),
        ("TPU v5p", "tpu_v5p"),
        ("TPU v5", "tpu_v5p"),  # what libtpu calls a v5p
        ("TPU v5e", "tpu_v5e"),
        ("TPU v5 lite", "tpu_v5e"),
        ("TPU v4", None),
        ("TPU v6 lite", None),
        ("cpu", None),
    ],
)
def test_devices_are_known_by_what_jax_calls_them(kind, name):
    assert [known for known, hardware in planning.HARDWARE.items() if re.search(hardware.kind, kind)] == [name] * (name is not None)


def test_the_step_is_bound_by_its_slowest_part(whole):
    hardware = planning.Hardware("", {"float32": 1e12}, 1e9, 1e11, 1e10)
    seconds = whole[1].seconds(hardware, "float32", 8)
    assert seconds["compute"] == whole[1].flops / 8 / 1e12
    assert seconds["links"] == sum(whole[1].collectives.values()) / 1e10
    assert seconds["memory"] == 2 * whole[1].state / 1e11


@pytest.mark.parametrize("overrides", [{}, {"model__remat": True}], ids=["once", "recomputed"])
def test_utilisation_is_operations_over_what_the_devices_could_do(overrides, whole, monkeypatch):
    made = config("next_token", **(MODEL | overrides))
    run = planning.Run.of(made, make_source(TEXT), planning.Parallel.build(made.parallel, made.data.batch_size, 1))
    monkeypatch.setattr(planning, "HARDWARE", {})
    assert planning.utilisation(run, 10, 2.0) is None, "a device whose peak is not known"
    monkeypatch.setattr(planning, "HARDWARE", {"this": planning.Hardware(jax.devices()[0].device_kind, {"float32": 1e12}, 0, 0, 0)})
    step = whole[1].flops
    said = planning.utilisation(run, 10, 2.0)
    assert (
        said
        == f"{100 * step * 10 / (2.0 * jax.device_count() * 1e12):.1f} % = {step:.4g} operations x 10 steps / (2.0 s x 1 devices x 1e+12/s, float32)"
    )
    assert planning.utilisation(run, 0, 0.0) is None


@pytest.mark.slow
def test_what_does_not_fit_is_answered_with_what_would(monkeypatch):
    tiny = planning.Hardware("", {"float32": 1e12}, 30e6, 1e12, 1e12)
    monkeypatch.setitem(planning.HARDWARE, "tiny", tiny)
    made = config("next_token", **MODEL)
    text = planning.plan(made, TEXT, {"data": 8, "fsdp": 1, "tensor": 1}, "tiny")
    found = re.search(r"It does not fit: .* are needed and 27.6 MB usable. This would, with (\S+) MB: (.*)", text)
    assert found, text
    assert float(found[1]) <= 27.6
    flags = dict(flag.removeprefix("--").split("=") for flag in found[2].split())
    devices = mesh.parse(flags.pop("mesh", "data:8"))
    overrides = {name.removeprefix("config.").replace(".", "__"): value for name, value in flags.items()}
    run = planning._planned(config("next_token", **(MODEL | overrides)), TEXT, devices)
    assert planning.estimate(run).memory <= 27.6e6

    monkeypatch.setitem(planning.HARDWARE, "tiny", tiny._replace(memory=1e5))
    assert "use more of them" in planning.plan(made, TEXT, {"data": 8, "fsdp": 1, "tensor": 1}, "tiny")


def test_the_script_knows_all_hardware():
    flags = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "plan.py"))["FLAGS"]
    (hardware,) = [flag for flag in flags if flag.name == "hardware"]
    assert set(hardware.choices) == set(planning.HARDWARE)


RUNNING = (Path(__file__).parents[2] / "docs" / "running.md").read_text().replace("\\\n", " ")
LARGE = [line for line in RUNNING.splitlines() if line.startswith("python scripts/plan.py") and "model.width" in line]


@pytest.mark.slow
@pytest.mark.parametrize(("billions", "command"), zip((6.7, 0.675), LARGE, strict=True), ids=["7B", "DiT-XL/2"])
def test_large_models_are_planned_in_under_a_minute(billions, command):
    """Commands of docs/running.md. Parameters: LLaMA 7B has 6.7 billion, DiT-XL/2 675 million, up to what conditions them."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run([sys.executable, *shlex.split(command)[1:]], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.returncode == 0, ended.stderr
    assert "1,024 x " in ended.stdout
    parameters = int(re.search(r"([\d,]+) parameters", ended.stdout)[1].replace(",", ""))
    assert parameters == pytest.approx(1e9 * billions, rel=0.05)
    assert "It fits" in ended.stdout
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 60.0, "seconds of computing"


# ---- XLA's own analysis of the step, compiled for eight fake devices -----------------------------------------------

WIDE = {"model__width": 512, "model__heads": 8}
CASES = [
    ("next_token", TEXT, "data:8", {}),
    ("next_token", TEXT, "fsdp:8", WIDE),
    ("next_token", TEXT, "tensor:8", WIDE),
    ("next_token", TEXT, "fsdp:4,tensor:2", WIDE),
    ("next_token", TEXT, "data:2,fsdp:4", WIDE | {"train__accumulation": 2}),
    ("next_token", TEXT, "data:2,fsdp:2,tensor:2", WIDE),
    ("noise_prediction", PICTURES, "data:8", WIDE),
    ("noise_prediction", PICTURES, "fsdp:8", WIDE),
    ("noise_prediction", PICTURES, "fsdp:8", WIDE | {"model__remat": True}),
    ("noise_prediction", PICTURES, "tensor:8", WIDE),
    ("noise_prediction", PICTURES, "fsdp:4,tensor:2", WIDE),
]
# Operations in the order that needs the least memory, as accelerators schedule them; the CPU's own order is that of the most concurrency.
FLAGS = "--xla_force_host_platform_device_count=8 --xla_cpu_enable_concurrency_optimized_scheduler=false"


def compiled(objective, spec, devices, overrides):
    """Bytes of a device by XLA's analysis of the compiled step; nothing is allocated."""
    sizes = mesh.parse(devices)
    made = config(objective, **(MODEL | overrides), **{f"parallel__{axis}": count for axis, count in sizes.items()})
    parallel = planning.Parallel.build(made.parallel, made.data.batch_size, made.train.accumulation)
    run = planning.Run.of(made, planning.Source(spec, dict.fromkeys(("train", "eval"), range(1))), parallel)
    rows = jax.sharding.NamedSharding(parallel.mesh, jax.sharding.PartitionSpec(planning.ROWS))
    batch = {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=rows) for name, leaf in run.abstract_batch.items()}
    step = jax.jit(run.make_step(), donate_argnums=0, out_shardings=(run.state_shardings, parallel.replicated))
    with parallel.layout():
        memory = step.lower(run.abstract_state, batch).compile().memory_analysis()
    return memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes + memory.temp_size_in_bytes


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_memory_is_within_a_tenth_of_what_xla_says():
    environment = os.environ | {"XLA_FLAGS": FLAGS}
    ended = subprocess.run([sys.executable, "-m", "tests.training.test_planning"], capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr
    ratios = json.loads(ended.stdout.splitlines()[-1])
    assert len(ratios) == len(CASES)
    assert np.abs(np.array(list(ratios.values())) - 1).max() <= 0.1, ratios


if __name__ == "__main__":
    found = {}
    for objective, spec, devices, overrides in CASES:
        need = plan_of(objective, spec, devices, **overrides)[1].memory
        found[f"{objective} {devices} {overrides}"] = need / compiled(objective, spec, devices, overrides)
        print(list(found.items())[-1], file=sys.stderr, flush=True)
    print(json.dumps(found))
