"""The claims: statements with a hypothesis, a metric, a margin and a number of seeds that are fixed in configs/claims/ before they are run.

    registered  ->  trainings (shared by all claims of a comparison)  ->  results/claims/<name>.json  ->  docs/claims.md

A record holds what was registered, every field of its arms and the rules that made them equal, so that a margin, a recipe or a default that is
changed later no longer fits its record (a test), and every value that was measured: the effect, its interval and its p-values are computed from them
whenever they are shown. The verdict is read from all records of a family together (Holm), and a claim that was not yet run counts as one that may
still be found.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ml_collections
import numpy as np

from genjax import config as configs
from genjax.comparison import plan, verdict
from genjax.config import REPOSITORY, Choice, require
from genjax.evaluation.statistics import Effect, holm, two_level

FOLDER = REPOSITORY / "configs" / "claims"
# How a verdict is told, what is to be thought of and what was tried before; all other fields are registered.
READINGS = ("confounds", "if_supported", "if_refuted", "tried")
EQUAL = ("match", "tolerance", "budget")  # the rules that say how long arms are trained
RESULTS = Path("results") / "claims"


class Tier(NamedTuple):
    """How much larger than it is registered a claim is run: field -> how many times an arm's own value, and field -> the value of all arms."""

    times: dict[str, int]
    fields: dict[str, str]


# Verdicts are told of the first; what the others need is told in docs/claims.md.
TIERS = {
    "cpu": Tier({}, {}),
    "gpu": Tier({"model.width": 6, "model.depth": 3, "model.heads": 2, "unet.channels": 4, "data.batch_size": 4}, {"model.dtype": "bfloat16"}),
}


class Side(NamedTuple):
    """One side of a claim: an arm, those that help it by what they do (a name in HELPERS), and {field of use: text}."""

    arm: str
    helpers: dict[str, str]
    use: dict[str, str]

    @property
    def arms(self) -> list[str]:
        """All that have to be trained."""
        return [self.arm, *self.helpers.values()]

    @property
    def name(self) -> str:
        """For people."""
        return ", ".join([self.arm, *(f"{what} {arm}" for what, arm in self.helpers.items())])


HELPERS = ("planner", "describer")


class Claim(NamedTuple):
    """A registered claim: its name and the checked fields of CLAIM in configs/base.py."""

    name: str
    config: ml_collections.FrozenConfigDict

    @property
    def sides(self) -> list[Side]:
        """What is held against what."""
        return [_side(self.name, line) for line in (self.config.first, self.config.second)]

    def plan(self, overrides: Mapping[str, str], tier: str = "cpu") -> plan.Plan:
        """The comparison that the claim is measured on; its arms are those of the two sides and the reference."""
        flags = dict(flag.split("=", 1) for flag in shlex.split(self.config.training))
        larger = TIERS[tier]
        loaded = plan.load(self.config.compare, flags | larger.fields | dict(overrides), self.config.seeds, larger.times)
        for arm in [arm for side in self.sides for arm in side.arms]:
            require(arm in loaded.arms, f"claim {self.name} is about arm '{arm}', and {self.config.compare} has {', '.join(loaded.arms)}")
        return loaded


def names() -> list[str]:
    """All registered claims."""
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def load(name: str) -> Claim:
    """A registered claim, checked; nothing is compiled."""
    require(name in names(), f"there is no claim '{name}': there are {', '.join(names())}")
    fields = configs.base_fields("CLAIM")
    config = configs.check(configs.recipe(str(FOLDER / f"{name}.py"), "CLAIM"), fields)
    require(bool(config.statement and config.hypothesis and config.compare and config.metric), f"claim {name} has no statement, hypothesis, ...")
    require(config.margin > 0, f"claim {name} has no margin: say which difference is too small to matter")
    require(bool(config.if_supported and config.if_refuted), f"claim {name} does not say what its verdicts mean for the statement")
    return Claim(name, config)


def _side(name: str, line: str) -> Side:
    arm, *flags = shlex.split(line)
    given = dict(flag.split("=", 1) for flag in flags if "=" in flag)
    use = {flag.removeprefix("--config."): value for flag, value in given.items() if flag.startswith("--config.")}
    helpers = {what: given[f"--{what}"] for what in HELPERS if f"--{what}" in given}
    understood = len(given) == len(flags) and len(use) + len(helpers) == len(given)
    known = ", ".join(f"--{what}=arm" for what in HELPERS)
    require(understood, f"claim {name}: after the arm come --config.field=value, {known}, not '{line}'")
    return Side(arm, helpers, use)


def registered(claim: Claim) -> dict[str, Any]:
    """What is fixed before a claim is run, as JSON."""
    return {name: value for name, value in configs.to_json(claim.config).items() if name not in READINGS}


def compared(claim: Claim, overrides: Mapping[str, str], tier: str = "cpu") -> dict[str, Any]:
    """What is held against what, as JSON: every field of the arms of both sides and of the reference, and the rules that set their lengths."""
    loaded = claim.plan(overrides, tier)
    names = {loaded.config.reference, *(arm for side in claim.sides for arm in side.arms)}
    told = {"arms": {name: dict(configs.leaves(loaded.arms[name])) for name in sorted(names)}}
    rules = loaded.rules.record()
    return json.loads(json.dumps(told | {"rules": {name: rules[name] for name in EQUAL}, "waived": rules["waive"]}))


def _same(then: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether what was compared is what would be now, in all fields that there are now and were then."""
    if then.keys() != now.keys() or then["arms"].keys() != now["arms"].keys():
        return False
    arms = [(then["arms"][name], now["arms"][name]) for name in then["arms"]]
    return then | {"arms": None} == now | {"arms": None} and all(was[path] == now[path] for was, now in arms for path in was.keys() & now.keys())


def results(tier: str) -> Path:
    """Where the records of a tier lie."""
    return RESULTS if tier == "cpu" else RESULTS / tier


def record_of(name: str, root: Path = REPOSITORY, tier: str = "cpu") -> dict[str, Any] | None:
    """The record of a claim, or None where it has not been run as it is registered now."""
    path = root / results(tier) / f"{name}.json"
    if not path.exists():
        return None
    record, claim = json.loads(path.read_text()), load(name)
    then = {field: value for field, value in record["registered"].items() if field not in READINGS}
    return record if then == registered(claim) and _same(record["compared"], compared(claim, {}, tier)) else None


def run(claim: Claim, folder: Path, command: str, overrides: Mapping[str, str], *, tier: str = "cpu", workers: int = 1) -> dict[str, Any]:
    """Trains what is missing, measures both sides for every seed, and returns the record."""
    from genjax.comparison import cells, ledger, matching, metrics, record
    from genjax.evaluation import machine, memorisation
    from genjax.evaluation.describing import Describer
    from genjax.evaluation.planner import Planner
    from genjax.evaluation.trained import load as load_trained
    from genjax.training.setup import Run

    started = time.monotonic()
    loaded = claim.plan(overrides, tier)
    arms = matching.match(loaded, folder)
    wanted = {arm: arms[arm] for side in claim.sides for arm in side.arms}
    trainings = {arm: cells.lay_out(loaded, arm, config, folder) for arm, (config, _) in wanted.items()}
    name, numbers = Choice(claim.config.metric).parts
    metric = metrics.METRICS[name]
    kinds = [ledger.likelihood_kind(Run.build(ledger.with_fields(arms[side.arm][0], side.use))) for side in claim.sides]
    require(
        not metric.of_bounds or len(set(kinds)) == 1,
        f"claim {claim.name}: {name} compares what two likelihoods guarantee, and here one is {kinds[0]}, the other {kinds[1]}: "
        "the metric without 'bound' in its name knows what such a difference can say",
    )
    here = sum(not cell.complete for row in trainings.values() for cell in row)
    cells.train(wanted, trainings, workers)

    provenance = record.provenance()
    loads: dict[str, Any] = {"planner": Planner.load, "describer": Describer.load}
    values, others = [[], []], []
    costs = {str(number): ledger.likelihood_flops(load_trained(trainings[side.arm][0].path, side.use).run) for number, side in enumerate(claim.sides)}
    repeats = memorisation.repeats(costs)
    # Seed by seed, the sides one after the other and in turns: what the machine does meanwhile is no difference between them.
    for seed in range(len(loaded.seeds)):
        for number in (0, 1) if seed % 2 == 0 else (1, 0):
            side = claim.sides[number]
            print(f"  measuring {claim.config.metric} of {side.name} {side.use or ''}, seed {loaded.seeds[seed]}", flush=True)
            trained = load_trained(trainings[side.arm][seed].path, side.use)
            helpers = {what: loads[what](trainings[arm][seed].path, trained.run) for what, arm in side.helpers.items()}
            beside = machine.Others()
            values[number].append(metrics.measure(name, numbers, metrics.Subject(trained.run, trained.params, repeats[str(number)], **helpers)))
            others.append(beside.cores())
    return {
        "name": claim.name,
        "registered": registered(claim),
        "tried": claim.config.tried,
        "compared": compared(claim, overrides, tier),
        "command": command,
        **provenance,
        "seeds": list(loaded.seeds),
        "tier": tier,
        "overrides": dict(overrides),
        "rules": loaded.rules.record(),
        "trained": {
            arm: {
                "steps": account.steps,
                **account.quantities,
                "parts": dict(account.parameters),
                "evaluation_set": ledger.evaluation_set(Run.build(config).source, config.evaluate.examples),
                "seconds": [sum(cell.clock.values()) for cell in trainings[arm]],
            }
            for arm, (config, account) in wanted.items()
        },
        "took": {"seconds": time.monotonic() - started, "workers": workers, "trainings": here},
        "unit": metric.unit,
        "kinds": kinds,
        "attack_repeats": list(repeats.values()) if name.startswith("membership") else None,
        "may_be_higher": [metric.bounded and kind != "exact" for kind in kinds],  # than the truth: only a bound was measured
        # Side, seed, item; of clocks side, reading, seed.
        "values": [np.stack(side).mean(axis=1)[None].tolist() if metric.clock else np.stack(side).tolist() for side in values],
    } | ({"readings": [{"date": provenance["date"], "commit": provenance["commit"], "used_by_others": max(others)}]} if metric.clock else {})


def read_again(before: Mapping[str, Any] | None, now: dict[str, Any]) -> dict[str, Any]:
    """The record of what is read off a clock, with the readings that there were: what a machine does at the time counts as well as the seeds."""
    if before is None or "readings" not in now:
        return now
    values = [then + more for then, more in zip(before["values"], now["values"], strict=True)]
    return now | {"values": values, "readings": before["readings"] + now["readings"]}


def keep(record: Mapping[str, Any], folder: Path) -> Path:
    """Writes a record as <folder>/<name>.json."""
    from genjax.training.workdir import Workdir

    folder.mkdir(parents=True, exist_ok=True)
    Workdir(folder).write_json(f"{record['name']}.json", record)
    return folder / f"{record['name']}.json"


def workdir(claim: Claim, root: Path, overrides: Mapping[str, str], tier: str = "cpu") -> Path:
    """Where the trainings lie: one folder for all claims that train the same comparison in the same way."""
    how = json.dumps([claim.config.compare, claim.config.training, TIERS[tier].times | TIERS[tier].fields | dict(overrides)], sort_keys=True)
    return root / f"{Path(claim.config.compare.partition(':')[0]).stem}_{hashlib.sha256(how.encode()).hexdigest()[:8]}"


def effect_of(record: Mapping[str, Any]) -> Effect:
    """The first side less the second, pairwise by seed and item; of clocks, by reading and seed, so that a single reading is no evidence."""
    first, second = (np.asarray(side, np.float64) for side in record["values"])
    loose = record["may_be_higher"]
    return two_level(first - second, may_be_lower=loose[0], may_be_higher=loose[1])


class Standing(NamedTuple):
    """A claim with its record and its effect, if any, its p-value corrected for the family, its verdict, and its records of larger tiers."""

    claim: Claim
    record: dict[str, Any] | None
    effect: Effect | None
    p: float
    word: str
    larger: dict[str, dict[str, Any]]


def standings(root: Path = REPOSITORY) -> list[Standing]:
    """All claims in order, each family corrected by itself; what was not run, or was tried in another form, counts with a p-value of 1."""
    claims = [load(name) for name in names()]
    records = {claim.name: record_of(claim.name, root) for claim in claims}
    larger = {claim.name: {tier: record_of(claim.name, root, tier) for tier in TIERS if tier != "cpu"} for claim in claims}
    effects = {name: effect_of(record) for name, record in records.items() if record is not None}
    found = {
        claim.name: verdict.evidence(effects[claim.name], claim.config.direction, claim.config.margin) for claim in claims if claim.name in effects
    }
    corrected: dict[str, float] = {}
    for family in {claim.config.family for claim in claims}:
        members = [claim for claim in claims if claim.config.family == family]
        tried = sum(max(claim.config.tried, (records[claim.name] or {}).get("tried", 0)) for claim in members)  # what was tried stays tried
        p = holm([*(found[claim.name].p if claim.name in found else 1.0 for claim in members), *[1.0] * tried])
        corrected |= {claim.name: value for claim, value in zip(members, p, strict=False)}
    return [
        Standing(
            claim,
            records[claim.name],
            effects.get(claim.name),
            corrected[claim.name],
            verdict.verdict(found[claim.name], corrected[claim.name]) if claim.name in found else "not yet run",
            {tier: record for tier, record in larger[claim.name].items() if record is not None},
        )
        for claim in claims
    ]
