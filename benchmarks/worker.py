"""One system on one workload, in a process of its own that answers lines of JSON.

  python -m benchmarks.worker SYSTEM WORKLOAD [--tiny] [--device=cpu]

It builds the model and says {"first": true} after the first call, {"memory": peak bytes, "seconds": of a call} after a few, {"ready": what it is}.
Then it answers each line {"calls": n} with {"seconds", "cpu", "calls", "faults" of pages}, and {"loss": true} with {"loss"}, until its input ends.
A system is an object with

  calls           the least number of calls that one dispatch makes
  __call__(n)     makes n calls, a multiple of it, and returns when their results are there
  describe()      {"parameters", "flops" of a call (products of matrices), "versions", "settings"}
  held_out()      where it learns: nats a character of the text that is held out
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from typing import Any

from benchmarks import workloads


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("system")
    parser.add_argument("workload")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer

    def say(**answer: Any) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    workload = workloads.find(args.workload, args.tiny)
    if args.system.split()[0] in ("genjax", "loader"):
        from benchmarks.ours import build
    else:
        from benchmarks.peers import build
    system: Any = build(args.system, workload, args.device)
    system(system.calls)
    say(first=True)
    few, started = -(-3 // system.calls) * system.calls, time.perf_counter()
    system(few)
    say(seconds=(time.perf_counter() - started) / few, calls=few, memory=1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    say(ready=system.describe())
    for line in sys.stdin:
        asked = json.loads(line)
        if "loss" in asked:
            say(loss=system.held_out())
            continue
        calls = -(-asked["calls"] // system.calls) * system.calls
        faults, cpu, started = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.process_time(), time.perf_counter()
        system(calls)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        say(seconds=seconds, cpu=cpu, calls=calls, faults=resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)


if __name__ == "__main__":
    main()
