"""Absorbing-state diffusion on a world of three tokens with three values, where everything can be listed: all 27 sequences, all 8 maskings, all
orders, and the law of every sampler.
"""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.diffusion import absorbing
from genjax.errors import UsageError
from genjax.registry import bind

V, L = 3, 3
MASK = V
WORLD = np.array(list(itertools.product(range(V), repeat=L)))
SUBSETS = np.array(list(itertools.product([False, True], repeat=L)))
JOINT = np.random.default_rng(0).dirichlet(np.full(V**L, 0.3)).reshape((V,) * L)
SCHEDULES = [("linear", {}), ("cosine", {}), ("polynomial", {"power": 3.0}), ("polynomial", {"power": 0.5})]


def schedule(choice):
    return bind(absorbing.SCHEDULES, choice, "schedule")()


def exact_conditionals():
    """log p(x_i | what is shown) [4, 4, 4, L, V]: the table of a perfect network. Shown tokens get a row too, which nobody may read."""
    table = np.full((V + 1,) * L + (L, V), np.nan)
    for z in itertools.product(range(V + 1), repeat=L):
        rest = JOINT[tuple(slice(None) if value == MASK else slice(value, value + 1) for value in z)]
        for i in range(L):
            if z[i] == MASK:
                marginal = rest.sum(axis=tuple(j for j in range(L) if j != i))
                table[z][i] = np.log(marginal / marginal.sum())
    return table


EXACT = exact_conditionals()
PERTURBED = np.where(np.isnan(EXACT), EXACT, EXACT + np.random.default_rng(1).normal(size=EXACT.shape))
PERTURBED -= np.log(np.exp(PERTURBED).sum(-1, keepdims=True))
TABLES = {"exact": EXACT, "perturbed": PERTURBED}


def cost(table, x, hidden):
    """f(z) of the module."""
    z = tuple(np.where(hidden, MASK, x))
    return -sum(table[z][i, x[i]] for i in range(L) if hidden[i])


def bound(table, x):
    """Equation (3)."""
    return sum(cost(table, x, hidden) / (hidden.sum() * math.comb(L, hidden.sum())) for hidden in SUBSETS if hidden.any())


# ---- the schedule --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", SCHEDULES, ids=str)
def test_a_schedule_goes_from_nothing_to_everything_and_knows_its_inverse_and_slope(choice):
    rate, time = schedule(choice)
    t = jnp.linspace(0.01, 0.99, 50)
    np.testing.assert_allclose([rate(jnp.float64(0.0)), rate(jnp.float64(1.0))], [0, 1], atol=1e-15)
    np.testing.assert_allclose(time(rate(t)), t, rtol=1e-12)
    h = 1e-6
    np.testing.assert_allclose(schedule(choice).slope(t), (rate(t + h) - rate(t - h)) / (2 * h), rtol=1e-7)
    assert (np.diff(rate(t)) > 0).all()


# ---- the bound -----------------------------------------------------------------------------------------------------


def weight_at(masking, choice, t):
    """The weight of a hidden token at times t when all are hidden that the time allows: what the code multiplies -log p with."""
    rows = len(t)
    whole = jnp.ones((rows, L), bool), jnp.zeros((rows, L), jnp.int32)
    u = jnp.broadcast_to(jnp.arange(L) * 1e-9, (rows, L))
    masked = absorbing.MASKINGS[masking](schedule(choice), *whole, jnp.asarray(t)[:, None], u)
    return np.asarray(masked.weight[:, 0]), np.asarray(masked.hidden.sum(1))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("choice", SCHEDULES, ids=str)
def test_the_bound_does_not_depend_on_the_schedule_by_quadrature(choice, table):
    """Equation (2) with the code's weights, over all maskings of every sequence, is equation (3)."""
    nodes, areas = np.polynomial.legendre.leggauss(200)
    t = (nodes + 1) / 2
    s = t**4  # denser at 0, where t^(1/2) has no Taylor series
    areas = areas / 2 * 4 * t**3
    weight, _ = weight_at("independent", choice, s)
    m = np.asarray(schedule(choice).rate(jnp.asarray(s)))
    for x in WORLD[::5]:
        costs = sum(m ** hidden.sum() * (1 - m) ** (L - hidden.sum()) * cost(TABLES[table], x, hidden) for hidden in SUBSETS)
        np.testing.assert_allclose(np.sum(areas * weight * costs), bound(TABLES[table], x), rtol=1e-10)


@pytest.mark.parametrize("choice", SCHEDULES, ids=str)
def test_counted_masking_has_the_weights_of_equation_3(choice):
    """n tokens are hidden for a share P(n) of the times, and count 1/(n P(n)): together 1/n, whatever the schedule."""
    edges = np.asarray(schedule(choice).time(jnp.arange(L + 1) / L))
    weight, count = weight_at("counted", choice, (edges[1:] + edges[:-1]) / 2)
    np.testing.assert_array_equal(count, np.arange(1, L + 1))
    np.testing.assert_allclose(np.diff(edges) * weight, 1 / np.arange(1, L + 1), rtol=1e-12)


@pytest.mark.parametrize("masking", absorbing.MASKINGS)
def test_masking_hides_the_tokens_that_the_draws_say(masking):
    """All orders of u, many times: independent tokens are hidden where u < m; n counted ones are the lowest u of the group."""
    random = np.random.default_rng(2)
    maskable = random.random((200, 9)) < 0.7
    groups = np.sort(random.integers(0, 3, (200, 9)), axis=1)
    t, u = random.random((200, 3)), random.random((200, 9))
    masked = jax.jit(absorbing.MASKINGS[masking], static_argnums=0)(absorbing.linear(), maskable, groups, t, u)
    masked = absorbing.Masked(*map(np.asarray, masked))
    for row, group in np.ndindex(200, 3):
        mine = maskable[row] & (groups[row] == group)
        if masking == "independent":
            expected = mine & (u[row] < t[row, group])
            share = 1 / t[row, group]
        else:
            n = math.floor(mine.sum() * t[row, group]) + 1
            expected = mine & (u[row] <= np.sort(u[row][mine])[n - 1]) if mine.any() else mine
            share = mine.sum() / n
        np.testing.assert_array_equal(masked.hidden[row] & (groups[row] == group), expected)
        np.testing.assert_allclose(masked.weight[row][expected], share, rtol=1e-12)
    np.testing.assert_array_equal(masked.weight > 0, masked.hidden)


def counted(choice):
    """What `MASKINGS["counted"]` hides of a row, with its weights and its probability: for every number of tokens and every order of u."""
    edges = np.asarray(schedule(choice).time(jnp.arange(L + 1) / L))
    t = np.repeat((edges[1:] + edges[:-1]) / 2, math.factorial(L))
    u = np.tile(np.array(list(itertools.permutations((np.arange(L) + 0.5) / L))), (L, 1))
    masked = absorbing.MASKINGS["counted"](schedule(choice), jnp.ones(u.shape, bool), jnp.zeros(u.shape, jnp.int32), t[:, None], jnp.asarray(u))
    return np.asarray(masked.hidden), np.asarray(masked.weight), np.repeat(np.diff(edges), math.factorial(L)) / math.factorial(L)


def mean_loss(table, x, maskings):
    """The expectation of what is trained on, over the code's maskings with their weights."""
    return sum(p * weight[hidden].mean() * cost(table, x, hidden) for hidden, weight, p in zip(*maskings, strict=True))


@pytest.mark.parametrize("choice", SCHEDULES[:2], ids=str)
def test_with_the_conditionals_of_one_joint_the_expected_loss_is_the_exact_likelihood(choice):
    maskings = counted(choice)
    for x in WORLD:
        np.testing.assert_allclose(mean_loss(EXACT, x, maskings), -math.log(JOINT[tuple(x)]), rtol=1e-12)


def test_with_conditionals_that_contradict_each_other_the_expected_loss_lies_above_what_the_sampler_draws():
    """One token a step, anywhere: `law`, which the samples of the code are held to below."""
    drawn, maskings = law("perturbed", "random", L), counted(SCHEDULES[0])
    gap = np.array([mean_loss(PERTURBED, x, maskings) + math.log(drawn[tuple(x)]) for x in WORLD])
    assert gap.min() > -1e-12 and gap.mean() > 0.1


def discrete(table, x, steps, choice):
    """Equation (1) with the code's weights, over all maskings."""
    total = 0.0
    for number in range(steps):
        masked = absorbing.step(schedule(choice), jnp.ones((1, L), bool), jnp.asarray(number), steps, jnp.zeros((1, L)))
        m = float(schedule(choice).rate(jnp.float64((number + 1) / steps)))
        mean = sum(m ** hidden.sum() * (1 - m) ** (L - hidden.sum()) * cost(table, x, hidden) for hidden in SUBSETS)
        total += float(masked.weight[0, 0]) * mean
    return total


@pytest.mark.parametrize("choice", SCHEDULES[:2], ids=str)
def test_the_bound_in_steps_is_one_on_the_law_of_the_sampler_and_falls_to_the_continuous_one(choice):
    x = WORLD[7]
    steps = [1, 2, 4, 8, 16, 32, 64]
    values = [discrete(PERTURBED, x, count, choice) for count in steps]
    for count, value in zip(steps[:4], values, strict=False):
        assert value >= -math.log(law("perturbed", "ancestral", count, choice[0])[tuple(x)]) - 1e-12
    np.testing.assert_allclose(values[0], -math.log(law("perturbed", "ancestral", 1)[tuple(x)]), rtol=1e-12)  # one step: one masking
    excess = np.array(values) - bound(PERTURBED, x)
    assert abs(excess[-1]) < 0.02
    assert 1.9 < excess[-2] / excess[-1] < 2.1  # first order in 1/steps


# ---- samplers ------------------------------------------------------------------------------------------------------


def shown_by(order, hidden, log_p, before, after):
    """[(probability, what is shown)] of one step."""
    if order == "ancestral":
        p = (before - after) / before
        sets = [s for s in SUBSETS if not (s & ~hidden).any()]
        return [(p ** s.sum() * (1 - p) ** (hidden & ~s).sum(), s) for s in sets]
    count = hidden.sum() - round(L * after)
    if order == "random":
        sets = [s for s in SUBSETS if not (s & ~hidden).any() and s.sum() == count]
        return [(1 / len(sets), s) for s in sets]
    value = np.where(hidden, {"left_to_right": -np.arange(L), "confidence": log_p}[order], -np.inf)
    shown = np.zeros(L, bool)
    shown[np.argsort(-value, kind="stable")[:count]] = True
    return [(1.0, shown)]


@functools.cache
def law(table, order, steps, name="linear"):
    """The probability of every sequence that a sampler draws, by following all its ways."""
    rate = {"linear": lambda t: t, "cosine": lambda t: math.sin(math.pi / 2 * t)}[name]
    states = {(MASK,) * L: 1.0}
    for number in range(steps):
        before, after = rate(1 - number / steps), rate(1 - (number + 1) / steps)
        following = {}
        for z, p in states.items():
            hidden = np.array(z) == MASK
            for drawn in itertools.product(*(range(V) if h else [z[i]] for i, h in enumerate(hidden))):
                log_p = np.array([TABLES[table][z][i, drawn[i]] if h else 0.0 for i, h in enumerate(hidden)])
                for q, shown in shown_by(order, hidden, log_p, before, after):
                    to = tuple(np.where(shown, drawn, z))
                    following[to] = following.get(to, 0.0) + p * q * math.exp(log_p.sum())
        states = following
    result = np.zeros((V,) * L)
    for z, p in states.items():
        if p:
            result[z] = p
    return result


def test_one_token_a_step_is_the_exact_joint_and_more_are_not():
    """What the samplers are worth, from their laws; the next test says that the code has these laws."""
    for order in ("random", "left_to_right"):
        np.testing.assert_allclose(law("exact", order, L), JOINT, rtol=1e-12)
    marginals = [JOINT.sum(axis=tuple(j for j in range(L) if j != i)) for i in range(L)]
    blind = np.einsum("a,b,c->abc", *marginals)
    for order in absorbing.ORDERS:  # all in one step: every token from its own marginal
        np.testing.assert_allclose(law("exact", order, 1), blind, rtol=1e-12)
    away = {steps: np.abs(law("exact", "ancestral", steps) - JOINT).sum() for steps in (8, 16, 32)}
    assert away[8] > 0.1 and 1.8 < away[16] / away[32] < 2.2  # ancestral sampling gets there as the steps get fine
    assert np.abs(law("exact", "confidence", L) - JOINT).sum() > 0.1  # to choose by what was drawn is biased, in any number of steps


def choose(logits, keys):
    return jax.vmap(jax.random.categorical)(keys, logits)


def sampler(table, order, steps):
    logits = jnp.asarray(np.nan_to_num(TABLES[table], nan=50.0))  # a shown token's row is poison: it must not be read

    def predict(z):
        return logits[z[:, 0], z[:, 1], z[:, 2]]

    return lambda z, keys: absorbing.reveal(predict, choose, absorbing.ORDERS[order], absorbing.linear(), steps, z, MASK, keys)


MANY = 8000


@pytest.mark.parametrize("order, steps", [("ancestral", 2), ("ancestral", 5), ("random", 2), ("random", 3), ("left_to_right", 3), ("confidence", 3)])
def test_samples_have_the_law_of_their_sampler(order, steps):
    """Pearson's chi-squared over the 27 sequences, at a level that a right sampler misses about once in ten thousand."""
    keys = jax.random.split(jax.random.key(5), MANY)
    found = jax.jit(sampler("perturbed", order, steps))(jnp.full((MANY, L), MASK), keys)
    expected = MANY * law("perturbed", order, steps).ravel()
    counts = np.bincount(np.asarray(found.tokens) @ V ** np.arange(L)[::-1], minlength=V**L)
    rare = expected < 5
    expected, counts = np.append(expected[~rare], expected[rare].sum()), np.append(counts[~rare], counts[rare].sum())
    expected, counts = expected[expected > 0], counts[expected > 0]
    freedom = len(expected) - 1
    assert freedom > 10
    assert abs(np.sum((counts - expected) ** 2 / expected) - freedom) < 4 * math.sqrt(2 * freedom)
    path = np.asarray(found.path)
    assert (path[0] == MASK).all() and (path[-1] == found.tokens).all() and (path[-1] != MASK).all()
    if order != "ancestral":
        np.testing.assert_array_equal((path == MASK).sum(-1), np.round(L * (1 - np.arange(steps + 1) / steps))[:, None].repeat(MANY, 1))


@pytest.mark.parametrize("order", absorbing.ORDERS)
def test_what_is_shown_never_changes(order):
    random = np.random.default_rng(3)
    start = np.where(random.random((500, L)) < 0.5, MASK, random.integers(0, V, (500, L)))
    path = np.asarray(jax.jit(sampler("perturbed", order, 4))(jnp.asarray(start), jax.random.split(jax.random.key(6), 500)).path)
    for before, after in itertools.pairwise(path):
        np.testing.assert_array_equal(after[before != MASK], before[before != MASK])
    assert (path[-1] != MASK).all()


def test_infilling_follows_the_conditional_of_the_joint():
    """The middle token is given; one token a step."""
    start = jnp.broadcast_to(jnp.array([MASK, 1, MASK]), (MANY, L))
    found = np.asarray(jax.jit(sampler("exact", "random", 2))(start, jax.random.split(jax.random.key(7), MANY)).tokens)
    expected = JOINT[:, 1] / JOINT[:, 1].sum()
    for first, last in itertools.product(range(V), repeat=2):
        p = expected[first, last]
        assert abs(((found[:, 0] == first) & (found[:, 2] == last)).mean() - p) < 4.5 * math.sqrt(p * (1 - p) / MANY) + 1e-3


def test_noise_on_the_confidence_fades_and_an_unknown_option_is_refused():
    hidden, log_p = jnp.ones((300, L), bool), jnp.broadcast_to(jnp.array([-1.0, -0.1, -2.0]), (300, L))
    keys, count = jax.random.split(jax.random.key(8), 300), jnp.full((300, 1), L)
    shown = {noise: absorbing.confidence(hidden, log_p, count, 1.0, 2 / 3, keys, noise=noise) for noise in (0.0, 50.0)}
    np.testing.assert_array_equal(shown[0.0], np.broadcast_to([False, True, False], (300, L)))
    assert np.abs(np.asarray(shown[50.0]).mean(0) - 1 / L).max() < 0.1
    with pytest.raises(UsageError, match="no option 'nose'"):
        bind(absorbing.ORDERS, ("confidence", {"nose": 1.0}), "order")
