"""genjax beside what users would pick instead, on this machine: speed, memory, time to the first step, loader rates, scaling.

  make bench                                                  # everything, with the peers of benchmarks/requirements.txt in .venv-bench
  python -m benchmarks.run --peers=none --only=T1,G2          # ours alone, two workloads
  python -m benchmarks.run --device=gpu                       # GPT-2 124M and a DiT-L/2 in bfloat16; the peer is torch.compile, where torch has CUDA

Every system is a process of its own that stays alive. The driver lets one run at a time, for about 0.3 s, in an order that is drawn anew in every
round, and before each waits until nobody else uses the machine, though not for ever: how much others used is in the record.
results/bench_DEVICE.json is written after each workload; the same command goes on where it was stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import workloads
from genjax import cli
from genjax.config import REPOSITORY, require
from genjax.evaluation.machine import busy, wait_for_idle

FLAGS = [
    cli.Flag("only", "workloads, with commas: T1-T4, G1-G4, S1, S2, N, D, C, M, scaling; default: all"),
    cli.Flag("peers", "all, none, or names with commas", default="all"),
    cli.Flag("also", "further fields of ours to measure beside the defaults, or variables: 'model.scan_layers=true XLA_FLAGS=...'", many=True),
    cli.Flag("python", "the interpreter that has the peers' packages; default: .venv-bench/bin/python on a cpu, this one on a gpu"),
    cli.Flag("text", "the file that N learns; default: that of configs/shakespeare.py"),
    cli.Flag("rounds", "interleaved rounds", kind=int, default=7),
    cli.Flag("wait", "seconds to wait for an idle machine before each measurement, at most", kind=float, default=1.5),
    cli.Flag("again", "measure anew what is in the record already", kind=bool),
    cli.Flag("device", "cpu, or gpu", default="cpu", choices=("cpu", "gpu")),
    cli.Flag("machine", "a word for this machine: its record is results/bench_DEVICE_MACHINE.json, beside that of another"),
    cli.Flag("tiny", "the same in sizes that say nothing, to try the machinery", kind=bool),
    cli.Flag("out", "the record; default: results/bench_DEVICE.json, and the tables and figure of docs/performance.md are made anew"),
]
VARIABLE = re.compile(r"[A-Z_]+=")  # of the environment, among the fields of a system
CHUNK = 0.3  # seconds of one measurement
EQUAL = 0.02  # relative difference up to which two networks are equal
LONGEST = 1200  # seconds of an answer, after which a process hangs and is ended
MFU = "operations of a step in products of matrices (attention whole) / (seconds * peak rate)"


# ---- one process a system ------------------------------------------------------------------------------------------


class Failed(Exception):
    """A worker that ended; the text is the end of what it said."""


class Worker:
    """A process of benchmarks.worker; use it in a `with`."""

    def __init__(self, system: str, workload: str, args: Any, environment: dict[str, str] | None = None) -> None:
        ours = system.split()[0] in ("genjax", "loader")
        settings = [word.split("=", 1) for word in system.split() if VARIABLE.match(word)]
        system = " ".join(word for word in system.split() if not VARIABLE.match(word))
        command = [sys.executable if ours else args.python, "-m", "benchmarks.worker", system, workload, f"--device={args.device}"]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)} | dict(settings) | (environment or {})
        environment |= {"JAX_PLATFORMS": "cuda" if args.device == "gpu" else "cpu"} if ours else {}
        self.errors, self.started = tempfile.TemporaryFile("w+"), time.monotonic()  # noqa: SIM115
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors, "text": True}
        self.process = subprocess.Popen(command + ["--tiny"] * args.tiny, cwd=REPOSITORY, env=environment, **pipes)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()

    def answer(self) -> dict[str, Any]:
        hangs = threading.Timer(LONGEST, self.process.kill)
        hangs.start()
        line = self.process.stdout.readline()  # pyrefly: ignore[missing-attribute]
        hangs.cancel()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            raise Failed(" ".join(self.errors.read().strip().splitlines()[-1:])[-300:])
        return json.loads(line)

    def ask(self, **what: Any) -> dict[str, Any]:
        self.process.stdin.write(json.dumps(what) + "\n")  # pyrefly: ignore[missing-attribute]
        self.process.stdin.flush()  # pyrefly: ignore[missing-attribute]
        return self.answer()

    def begin(self) -> dict[str, Any]:
        """Waits until it is ready: what it is, seconds from its start to its first call, bytes of its peak memory, seconds of a call."""
        assert self.answer()["first"]
        first = time.monotonic() - self.started
        few = self.answer()
        times = {"first_seconds": first, "peak_memory": few["memory"], "call_seconds": few["seconds"], "calls_after": few["calls"]}
        return self.answer()["ready"] | times

    def measure(self, calls: int, wait: float) -> dict[str, float]:
        """Seconds of a call, on the clock and of CPU, and cores that others used meanwhile."""
        wait_for_idle(wait)
        before, started = busy(), time.monotonic()
        found = self.ask(calls=calls)
        others = (busy() - before - found["cpu"]) / (time.monotonic() - started)
        return {
            "calls": found["calls"],
            "seconds": found["seconds"] / found["calls"],
            "cpu": found["cpu"] / found["calls"],
            "faults": found["faults"] / found["calls"],
            "others": max(0.0, others),
        }


# ---- what is measured ----------------------------------------------------------------------------------------------


def interleaved(begin: dict[str, tuple[str, str]], args: Any) -> dict[str, dict[str, Any]]:
    """The summary of every process that `begin` names, as (system, workload): what it is and its times; {"error"} where it failed."""
    found: dict[str, dict[str, Any]] = {}
    samples: dict[str, list[dict[str, float]]] = {}
    draw = random.Random(0)
    with contextlib.ExitStack() as processes:
        running: dict[str, Worker] = {}
        for name, (system, workload) in begin.items():
            worker = processes.enter_context(Worker(system, workload, args))
            try:
                found[name] = worker.begin()
                running[name], samples[name] = worker, []
            except Failed as error:
                found[name] = {"error": str(error)}
        for _ in range(args.rounds):
            for name in draw.sample(sorted(running), len(running)):
                samples[name].append(running[name].measure(max(1, round(CHUNK / found[name]["call_seconds"])), args.wait))
    return {name: about | (summary(samples[name]) if name in samples else {}) for name, about in found.items()}


def summary(samples: list[dict[str, float]]) -> dict[str, Any]:
    """Medians and quartiles of measurements."""
    seconds = [sample["seconds"] for sample in samples]
    low, middle, high = np.quantile(seconds, (0.25, 0.5, 0.75))
    median = lambda what: float(np.median([sample[what] for sample in samples]))
    return {
        "median": float(middle),
        "quartiles": [float(low), float(high)],
        "least": min(seconds),
        "rounds": len(seconds),
        "cpu": median("cpu"),
        "page_faults": median("faults"),
        "others": median("others"),
    }


def compare(name: str, args: Any) -> dict[str, Any]:
    """A workload on genjax and its peers."""
    workload = workloads.find(name, args.tiny)
    peers = [peer for peer in workloads.peers_of(workload) if args.peers == "all" or peer in args.peers.split(",")]
    others = [f"genjax {fields}" for fields in (*args.also, *(workloads.VARIANTS[name] if args.device == "gpu" else ()))]
    systems = interleaved({system: (system, name) for system in ("genjax", *others, *peers)}, args)
    ours = systems["genjax"]
    require("error" not in ours, f"genjax failed on {name}: {ours.get('error')}")
    for peer in (*others, *peers):
        systems[peer]["equal"] = "error" not in systems[peer] and peer not in workloads.ANOTHER_NET and is_equal(workload, ours, systems[peer])
        if systems[peer]["equal"]:
            systems[peer]["ratio"] = systems[peer]["median"] / ours["median"]
            systems[peer]["cpu_ratio"] = systems[peer]["cpu"] / ours["cpu"]
    equal = [peer for peer in peers if systems[peer]["equal"]]
    fastest = min(equal, key=lambda peer: systems[peer]["median"]) if equal else None
    for system, about in systems.items():
        print(f"  {system:15} " + (about["error"] if "error" in about else line(workload, about)), flush=True)
    about = {"what": workload.what, "unit": workload.unit, "items": workload.items, "floor": workload.floor, "goal": workload.goal}
    return about | {"systems": systems, "fastest_peer": fastest}


def is_equal(workload: workloads.Workload, ours: dict[str, Any], peer: dict[str, Any]) -> bool:
    """Whether parameters are, and the operations of a training step or of a sample; with a cache, what is multiplied depends on how it is kept."""
    quantities = ("parameters",) if workload.task == "generate" else ("parameters", "flops")
    return all(abs(peer[quantity] / ours[quantity] - 1) <= EQUAL for quantity in quantities)


def line(workload: workloads.Workload, about: dict[str, Any]) -> str:
    rate = f"{workload.items / about['median']:10.4g} {workload.unit}/s  {about['parameters']:,} parameters, {about['flops']:.4g} operations"
    ratio = f"  ratio {about['ratio']:.2f} (of CPU time {about['cpu_ratio']:.2f})" if "ratio" in about else ""
    other = "  ANOTHER NET" if about.get("equal") is False else ""
    return f"{1e3 * about['median']:9.2f} ms  CPU {1e3 * about['cpu']:9.2f} ms  others {about['others']:.2f}  {rate}{ratio}{other}"


def starts(names: Sequence[str], args: Any) -> dict[str, Any]:
    """What each system says of itself after its first calls, in fresh processes; ours is compiled anew ("cold"), then from its cache ("warm")."""
    found: dict[str, Any] = {}
    for name in names:
        peers = [peer for peer in workloads.peers_of(workloads.find(name, args.tiny)) if args.peers == "all" or peer in args.peers.split(",")]
        with tempfile.TemporaryDirectory() as folder:
            ours = {f"genjax {state}": ("genjax", {"GENJAX_CACHE_DIR": folder}) for state in ("cold", "warm")}
            found[name] = {label: start(system, name, args, environment) for label, (system, environment) in ours.items()}
        found[name] |= {peer: start(peer, name, args, {}) for peer in peers}
        for label, about in found[name].items():
            says = about.get("error") or f"{about['first_seconds']:6.2f} s to the first step, peak memory {about['peak_memory'] / 2**20:6.0f} MiB"
            print(f"  {name} {label:15} {says}", flush=True)
    return {"systems": found}


def start(system: str, name: str, args: Any, environment: dict[str, str]) -> dict[str, Any]:
    wait_for_idle(args.wait)
    with Worker(system, name, args, environment) as worker:
        try:
            return worker.begin()
        except Failed as error:
            return {"error": str(error)}


def first_steps(args: Any) -> dict[str, Any]:
    """C: seconds from the start of a process to the end of its first dispatch."""
    return starts(("T1", "T2", "T3", "T4"), args)


def memory(args: Any) -> dict[str, Any]:
    """M: peak resident memory of a process that has trained for a few steps."""
    return starts(("T2", "T3"), args)


PREPARED = {"tokens": ("python_stdlib", "tfds_text:tiny_shakespeare"), "images": ("digits", "tfds:mnist")}  # embedded, prepared


def loaders(args: Any) -> dict[str, Any]:
    """D: batches a second of the loader alone, beside the training steps a second."""
    found: dict[str, Any] = {}
    for name in ("T1", "T2", "T3", "T4"):
        sources = ("made up", *PREPARED[workloads.find(name, args.tiny).unit])
        systems = interleaved({system: (system, name) for system in ("genjax", *(f"loader {source}" for source in sources))}, args)
        for system, about in systems.items():
            if "error" in about:
                print(f"  {name} {system:40} {about['error']}", flush=True)
            elif system != "genjax":
                about["over_step"] = systems["genjax"]["median"] / about["median"]
                print(f"  {name} {system:40} {1 / about['median']:9.4g} batches/s, {about['over_step']:.0f} times the steps", flush=True)
        found[name] = systems
    return {"systems": found}


def scaling(args: Any) -> dict[str, Any]:
    """The time of a training step against each size, with the exponent of a power law beside that of the operations."""
    return {axis: curve(axis, values, args) for axis, values in (workloads.TINY_SCALING if args.tiny else workloads.SCALING).items()}


def curve(axis: str, values: Sequence[int], args: Any) -> dict[str, Any]:
    systems = interleaved({str(value): ("genjax", f"{axis}={value}") for value in values}, args)
    exponents = {
        what: float(np.polyfit(np.log(values), np.log([systems[str(value)][what] for value in values]), 1)[0]) for what in ("median", "flops")
    }
    print(f"  {axis:8} time ~ size^{exponents['median']:.2f}, operations ~ size^{exponents['flops']:.2f}", flush=True)
    return {"systems": systems, "exponent": exponents["median"], "exponent_of_operations": exponents["flops"]}


PIECES = 80  # of a training that learns, after each of which it is measured


def learning(args: Any) -> dict[str, Any]:
    """N: seconds from the start of a process, with an empty compile cache, until what is held out costs at most the target.

    What it takes to measure that is left out. The systems take turns. One that does not get there has the seconds and the loss of its whole training.
    """
    from genjax import config as configs

    workload = workloads.find("N", args.tiny)
    peers = [peer for peer in workloads.LEARNERS if args.peers == "all" or peer.split()[0] in args.peers.split(",")]
    source = configs.load(workloads.RECIPE, configs.base_fields()).data.source
    text = Path(source.removeprefix("text:") if args.text is None else args.text).resolve()
    require(text.exists(), f"N learns {text}, which is not there: give --text=FILE, or leave N out by --only")
    found: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        environment = {"GENJAX_CACHE_DIR": stack.enter_context(tempfile.TemporaryDirectory()), "GENJAX_BENCH_TEXT": str(text)}
        running: dict[str, Worker] = {}
        for name in ("genjax", *peers):
            wait_for_idle(args.wait)
            worker = stack.enter_context(Worker(name, "N", args, environment))
            try:
                about = worker.begin()
            except Failed as error:
                found[name] = {"error": str(error)}
                continue
            steps = about["settings"].get("steps_per_dispatch", 1) + about["calls_after"]
            seconds = about["first_seconds"] + about["calls_after"] * about["call_seconds"]
            found[name] = about | {"steps": steps, "seconds": seconds, "loss": worker.ask(loss=True)["loss"], "curve": []}
            running[name] = worker
        while running:
            for name in list(running):
                one, piece = found[name], max(1, workload.length // PIECES)
                measured = running[name].measure(piece, args.wait)
                one["steps"] += measured["calls"]
                one["seconds"] += measured["calls"] * measured["seconds"]
                one["loss"] = running[name].ask(loss=True)["loss"]
                one["curve"].append([one["steps"], one["seconds"], one["loss"], measured["others"]])
                if one["loss"] <= workloads.TARGET or one["steps"] >= workload.length:
                    running.pop(name)
    ours = found["genjax"]
    require("error" not in ours, f"genjax failed on N: {ours.get('error')}")
    for name, one in found.items():
        if "error" not in one:
            one["there"] = one["loss"] <= workloads.TARGET
            one["equal"] = abs(one["parameters"] / ours["parameters"] - 1) <= EQUAL
            one["ratio"] = one["seconds"] / ours["seconds"]
        says = one.get("error") or f"{one['loss']:.3f} nats after {one['steps']} steps and {one['seconds']:.1f} s, {one['ratio']:.2f} of ours"
        print(f"  {name:24} {says}", flush=True)
    return {"systems": found, "what": workload.what, "floor": workload.floor, "target": workloads.TARGET, "text": text.name}


OTHERS: dict[str, Callable[[Any], dict[str, Any]]] = {"N": learning, "C": first_steps, "M": memory, "D": loaders, "scaling": scaling}


# ---- the record ----------------------------------------------------------------------------------------------------


def metrics(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of the record, from what was found of every workload."""
    from genjax.evaluation.provenance import metric

    for name, one in found.items():
        if name in workloads.CPU | workloads.GPU:
            systems, fastest = one["systems"], one["fastest_peer"]
            if fastest:
                yield metric(name, "ratio_to_fastest_peer", systems[fastest]["ratio"], "ratio", 0)
            for system, about in systems.items():
                if "median" in about:
                    arm = name if system == "genjax" else f"{name} {system}"
                    yield metric(arm, "milliseconds", 1e3 * about["median"], "ms", 0)
                    yield metric(arm, "rate", one["items"] / about["median"], f"{one['unit']}/s", 0)
                    yield metric(arm, "parameters", about["parameters"], "parameters", 0)
                    yield metric(arm, "flops", about["flops"], "flop", 0)
                    if "mfu" in about:
                        yield metric(arm, "mfu", about["mfu"], "share", 0)
        if name in ("C", "M"):
            quantity, unit = {"C": ("first_seconds", "s"), "M": ("peak_memory", "bytes")}[name]
            for workload, systems in one["systems"].items():
                for system, about in systems.items():
                    if quantity in about:
                        yield metric(f"{workload} {system}", "seconds_to_first_step" if name == "C" else quantity, about[quantity], unit, 0)
        if name == "N":
            for system, about in one["systems"].items():
                if "seconds" in about:
                    yield metric(f"N {system}", "seconds_to_target" if about["there"] else "seconds_of_all_steps", about["seconds"], "s", 0)
                    yield metric(f"N {system}", "held_out", about["loss"], "nats/byte", 0)
        if name == "D":
            for workload, systems in one["systems"].items():
                for system, about in systems.items():
                    if "over_step" in about:
                        yield metric(f"{workload} {system}", "loader_over_step", about["over_step"], "ratio", 0)
        if name == "scaling":
            for axis in one.keys() - {"settings", "made"}:
                yield metric(axis, "scaling_exponent", one[axis]["exponent"], "exponent", 0)
                yield metric(axis, "scaling_exponent_of_operations", one[axis]["exponent_of_operations"], "exponent", 0)


def settings_of(name: str, args: Any) -> dict[str, Any]:
    """What must be the same for a result to be kept."""
    trained = {row: workloads.find(row, args.tiny).settings for row in ("T1", "T2", "T3", "T4")} | {"scaling": workloads.SCALING, "tiny": args.tiny}
    sizes = trained if name in OTHERS and name != "N" else workloads.find(name, args.tiny).settings
    return json.loads(json.dumps(sizes)) | {"rounds": args.rounds, "peers": args.peers, "also": args.also}


def write(path: Path, found: dict[str, Any], args: Any) -> None:
    """The record, in the form of the others."""
    from genjax.evaluation.provenance import processor, provenance

    where = provenance()
    for one in found.values():
        for about in one.get("systems", {}).values():
            where["versions"] |= about.get("versions", {})
    cores, named = workloads.cores(), {"device": args.device} if args.device != "cpu" else {}
    named |= {} if args.machine is None else {"machine": args.machine}
    kinds = {one["systems"]["genjax"]["settings"]["device"] for name, one in found.items() if name in workloads.CPU | workloads.GPU}
    record = {
        "name": path.stem,
        "title": "genjax beside what users would pick instead",
        "command": "python -m benchmarks.run" + "".join(f" --{name}={value}" for name, value in named.items()),
        **where,
        "hardware": f"1 x {', '.join(sorted(kinds)) or args.device}; {processor()}, {cores} cores",
        "seeds": [0],
        "config": {name: one["settings"] for name, one in found.items()},
        "metrics": list(metrics(found)),
        "workloads": found,
        "notes": [
            "A ratio is the median time of the fastest equal peer over ours; above 1, genjax is faster.",
            f"Equal: parameters (without tables of positions) and operations within {100 * EQUAL:.0f} %; others are shown and left out of the ratio.",
            f"MFU = {MFU}.",
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps(record, indent=2, sort_keys=False) + "\n")
    scratch.replace(path)


def main(args: Any) -> None:
    os.environ["JAX_PLATFORMS"] = "cpu"  # of this process, which only drives
    args.python = args.python or {"cpu": str(REPOSITORY / ".venv-bench" / "bin" / "python"), "gpu": sys.executable}[args.device]
    rows = {"cpu": workloads.CPU, "gpu": workloads.GPU}[args.device]
    names = [*rows, *(OTHERS if args.device == "cpu" else ())]
    wanted = names if args.only is None else [name.strip() for name in args.only.split(",")]
    for name in wanted:
        require(name in names, f"--only={name} is no workload of --device={args.device}: choose among {', '.join(names)}")
    known = {peer for peers in workloads.PEERS.values() for peer in peers} | {"all", "none"}
    for peer in args.peers.split(","):
        require(peer in known, f"--peers={peer} is no system: choose among {', '.join(sorted(known))}")
    asked = args.peers != "none" and not set(wanted) <= {"D", "scaling"}
    there = "/" not in args.python or Path(args.python).exists()
    require(there or not asked, f"--python={args.python} does not exist: run make bench, or give --peers=none")
    where = "" if args.machine is None else f"_{args.machine}"
    path = REPOSITORY / "results" / f"bench_{args.device}{where}.json" if args.out is None else Path(args.out)
    found: dict[str, Any] = json.loads(path.read_text())["workloads"] if path.exists() else {}
    for name in wanted:
        settings = settings_of(name, args)
        if name in found and found[name]["settings"] == settings and not args.again:
            print(f"{name}: kept, measured {found[name]['made']['date']}")
            continue
        print(f"{name}: {settings}", flush=True)
        found[name] = (OTHERS[name](args) if name in OTHERS else compare(name, args)) | {"settings": settings, "made": moment()}
        if args.device == "gpu":
            utilise(found[name])
        write(path, {name: found[name] for name in names if name in found}, args)
    if args.out is None:
        from benchmarks.figure import draw
        from genjax.comparison.tables import rewrite_pages

        if args.device == "cpu":
            draw(found, REPOSITORY / "docs" / f"performance{where}.png")
        rewrite_pages(REPOSITORY)


def moment() -> dict[str, Any]:
    """When a workload was measured, by which code, and how busy the machine was."""
    from genjax.evaluation.provenance import commit

    return {"date": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "commit": commit(), "load": os.getloadavg(), "cores": workloads.cores()}


def utilise(one: dict[str, Any]) -> None:
    """MFU of every system, on devices whose peak rate is known."""
    from genjax.training.planning import HARDWARE

    kind = one["systems"]["genjax"]["settings"]["device"]
    peak = next((hardware.peak["bfloat16"] for hardware in HARDWARE.values() if hardware.kind in kind), None)
    for about in one["systems"].values():
        if peak is not None and "median" in about:
            about["mfu"] = about["flops"] / (about["median"] * peak)


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="none")
