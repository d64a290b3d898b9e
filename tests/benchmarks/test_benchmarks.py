"""The machinery of the benchmarks: sizes against closed forms, ratios and exponents of systems whose speed is known, a record that goes on."""

import json
import subprocess
import sys

import jax
import pytest

from benchmarks import run, workloads
from genjax import cli
from genjax.comparison import tables
from genjax.config import REPOSITORY
from genjax.errors import UsageError


def options(*flags):
    return cli.parse(list(flags), run.__doc__, run.FLAGS, config="none", fields={})


class Known:
    """A worker whose call takes a known time: `seconds[system, workload]`, with parameters and operations of 1 unless told otherwise."""

    seconds, about = {}, {}

    def __init__(self, system, workload, args, environment=None):
        self.key = system, workload

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def begin(self):
        if self.key not in self.seconds:
            raise run.Failed("it is not there")
        about = {"parameters": 100, "flops": 100.0, "settings": {"device": "cpu"}, "versions": {}}
        return about | {"call_seconds": self.seconds[self.key], "first_seconds": 1.0, "peak_memory": 2**20} | self.about.get(self.key, {})

    def measure(self, calls, wait):
        return {"seconds": self.seconds[self.key], "cpu": 2 * self.seconds[self.key], "faults": 0.0, "others": 0.0}


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(run, "Worker", Known)
    monkeypatch.setattr(Known, "seconds", {})
    monkeypatch.setattr(Known, "about", {})
    return Known


# ---- sizes ---------------------------------------------------------------------------------------------------------


def test_a_gpt_has_12_width_squared_parameters_a_layer_and_the_operations_of_the_field():
    """12 L D^2 + V D parameters; a token costs 6 of each, and 12 L T D in attention (arXiv:2001.08361, with the whole of a causal mask)."""
    from benchmarks import ours
    from genjax.training import flops

    workload = workloads.CPU["T1"]
    model, made = workload.model, ours.run_of(workload)
    parameters = 12 * model.layers * model.width**2 + model.vocab * model.width
    assert sum(leaf.size for leaf in jax.tree.leaves(made.abstract_state.params)) == pytest.approx(parameters, rel=0.02)
    counted = flops.operations(made.make_step(), made.abstract_state, made.abstract_batch).products
    assert counted == pytest.approx(workload.items * (6 * parameters + 12 * model.layers * model.context * model.width), rel=0.02)


def test_a_dit_has_18_width_squared_parameters_a_layer_and_the_unet_a_few_million():
    from benchmarks import ours

    size = lambda name: sum(leaf.size for leaf in jax.tree.leaves(ours.run_of(workloads.CPU[name]).abstract_state.params))
    model = workloads.CPU["T3"].model
    assert size("T3") == pytest.approx(18 * model.layers * model.width**2 + 4 * model.width**2, rel=0.02)
    assert 3e6 <= size("T4") <= 6e6


def test_sizes_are_read_without_any_library():
    code = "import benchmarks.workloads, sys; print([name for name in ('jax', 'numpy', 'torch', 'genjax') if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, env={"PYTHONPATH": str(REPOSITORY)})
    assert (ended.stdout, ended.stderr) == ("[]\n", "")


# ---- what is made of the times -------------------------------------------------------------------------------------


def test_a_ratio_is_to_the_fastest_equal_peer(known):
    """Ours 2 s; a peer of 3 s, one of 5 s, and one of 1 s that is another network."""
    known.seconds |= {("genjax", "T1"): 2.0, ("torch", "T1"): 3.0, ("transformers", "T1"): 5.0, ("x_transformers", "T1"): 1.0}
    known.about |= {("torch", "T1"): {"parameters": 101}, ("x_transformers", "T1"): {"flops": 97.0}}
    found = run.compare("T1", options("--rounds=3"))
    assert found["fastest_peer"] == "torch"
    assert [found["systems"][peer].get("ratio") for peer in ("torch", "transformers", "x_transformers")] == [1.5, 2.5, None]
    assert {row["arm"]: row["value"] for row in run.metrics({"T1": found}) if row["metric"] == "ratio_to_fastest_peer"} == {"T1": 1.5}


def test_a_system_that_fails_is_said_to_and_the_others_are_measured(known):
    known.seconds |= {("genjax", "T4"): 1.0, ("lucidrains", "T4"): 2.0}
    found = run.compare("T4", options("--rounds=1"))
    assert found["systems"]["diffusers"]["error"] == "it is not there"
    assert found["fastest_peer"] is None and found["systems"]["lucidrains"]["equal"] is False
    with pytest.raises(UsageError, match="genjax failed on T1"):
        run.compare("T1", options())


def test_an_exponent_is_that_of_the_power_law(known):
    for size in (1, 2, 4):
        known.seconds["genjax", f"width={size}"] = 0.1 * size**1.5
        known.about["genjax", f"width={size}"] = {"flops": 7.0 * size**2}
    found = run.curve("width", (1, 2, 4), options("--rounds=1"))
    assert found["exponent"] == pytest.approx(1.5) and found["exponent_of_operations"] == pytest.approx(2.0)


def test_medians_and_quartiles():
    found = run.summary([{"seconds": s, "cpu": 1.0, "faults": 3.0, "others": 0.0} for s in (5.0, 1.0, 2.0, 4.0, 3.0)])
    assert (found["median"], found["quartiles"], found["least"], found["rounds"]) == (3.0, [2.0, 4.0], 1.0, 5)


def test_the_record_goes_on_and_is_a_table(known, tmp_path, capsys):
    known.seconds |= {("genjax", name): 2.0 for name in ("T1", "G1")} | {("torch", "T1"): 3.0, ("transformers", "G1"): 30.0}
    out = tmp_path / "results" / "bench_cpu.json"
    run.main(options("--only=T1", f"--out={out}", "--python=python"))
    first = json.loads(out.read_text())["workloads"]["T1"]
    run.main(options("--only=T1,G1", f"--out={out}", "--python=python"))
    assert "T1: kept" in capsys.readouterr().out
    record = json.loads(out.read_text())
    assert record["workloads"]["T1"] == first and list(record["workloads"]) == ["T1", "G1"]
    text = tables.rewrite(
        "<!-- results/bench_cpu.json as performance -->\n<!-- end --> <!-- results/bench_cpu.json as peers -->\n<!-- end -->", tmp_path
    )
    assert "| 3000 [3000, 3000] (torch) | 1.50 | 1.05 | 1.20 |" in text and "| 15.00 | 10.00 |  |" in text
    assert "| T1 | transformers | failed |" in text
    run.main(options("--only=T1", f"--out={out}", "--python=python", "--again", "--rounds=2"))
    assert json.loads(out.read_text())["workloads"]["T1"]["systems"]["genjax"]["rounds"] == 2


@pytest.mark.parametrize("flags", [["--only=T9"], ["--peers=tensorflow"], ["--python=/nowhere/python"]])
def test_mistakes_are_answered_before_anything_is_started(flags, monkeypatch):
    monkeypatch.setattr(run, "Worker", None)
    with pytest.raises(UsageError):
        run.main(options(*flags))


# ---- with processes ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_trains_and_answers(tmp_path):
    out = tmp_path / "bench.json"
    run.main(options("--only=T1", "--peers=none", "--tiny", "--rounds=2", "--wait=0", f"--out={out}"))
    record = json.loads(out.read_text())
    ours = record["workloads"]["T1"]["systems"]["genjax"]
    assert ours["median"] > 0 and ours["rounds"] == 2 and ours["settings"]["steps_per_dispatch"] >= 1
    assert ours["peak_memory"] > 50 * 2**20  # bytes, not kilobytes: Python with jax is larger than this
    assert {row["metric"] for row in record["metrics"]} == {"milliseconds", "rate", "parameters", "flops"}


@pytest.mark.slow
@pytest.mark.parametrize("only", ["T3", "T4", "G2", "S1", "S2", "D", "M", "scaling"])
def test_every_workload_runs(only, tmp_path):
    out = tmp_path / "bench.json"
    run.main(options(f"--only={only}", "--peers=none", "--tiny", "--rounds=1", "--wait=0", f"--out={out}"))
    assert list(json.loads(out.read_text())["workloads"]) == [only]


@pytest.mark.slow
def test_a_text_is_learned_until_it_costs_the_target(tmp_path, monkeypatch):
    """A text of one pattern costs nothing once it is learned; measuring stops there, and says after how many steps."""
    (tmp_path / "input.txt").write_text("abcdefgh" * 4000)
    out = tmp_path / "bench.json"
    run.main(options("--only=N", "--peers=none", "--tiny", "--wait=0", f"--text={tmp_path / 'input.txt'}", f"--out={out}"))
    found = json.loads(out.read_text())["workloads"]["N"]["systems"]["genjax"]
    assert found["there"] and found["loss"] <= workloads.TARGET and found["curve"][-1][0] == found["steps"] < 60
    assert all(loss > workloads.TARGET for _, _, loss, _ in found["curve"][:-1])


def test_a_text_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UsageError, match=r"N learns .*nowhere.txt, which is not there: give --text=FILE, or leave N out by --only"):
        run.main(options("--only=N", "--peers=none", f"--text={tmp_path / 'nowhere.txt'}", f"--out={tmp_path / 'bench.json'}"))
