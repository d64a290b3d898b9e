"""Diffusion of tokens into an absorbing state: every token is either as it is or masked.

At time t in [0, 1] each of L tokens is masked, independently, with probability m(t) = 1 - alpha(t), m(0) = 0, m(1) = 1. Going back from t to
s < t, a masked token is revealed with probability (m(t) - m(s))/m(t) and a revealed one stays. With f(z) = sum over the masked i of
-log p(x_i | z), the cost of telling the masked tokens of z from the others one by one, blind to each other,

    -log p(x) <= sum_k (m_k - m_{k-1})/m_k E f(z at t_k)         ancestral sampling in K steps, m_k = m(k/K)        (1)
              -> int_0^1 m'(t)/m(t) E f(z at t) dt               as K grows                                         (2)
               = sum_{n=1}^L 1/n E f(z with n masked tokens)     which tokens: evenly among all                     (3)

(1), (2): MDLM, arXiv:2406.07524, and MD4, arXiv:2406.04329. In (2) time is a name of m: the bound does not depend on the schedule, which is
only a density of mask rates, and the network need not know the time. (3) is (2) with m integrated out (int m^(n-1) (1-m)^(L-n) dm = 1/(n C(L, n))).
It is the mean over all orders of the chain rule (arXiv:2110.02037): exact if the conditionals p(x_i | z) are those of one joint
distribution, and above the model's -log p(x) by the disagreement of the orders otherwise.

(2) is estimated by drawing t: a token that is masked at a small t counts m'/m, and the variance of that is infinite (int dm/m). (3) is
estimated by drawing n, with the same mean and a finite variance.

Schedules m(t):  linear t;  cosine sin(pi t/2);  polynomial t^power.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.registry import NonNegative, Positive
from genjax.types import Array, Key


class Schedule(NamedTuple):
    """rate(t) -> m, the share of masked tokens, and its inverse time(m) -> t; both increase from 0 to 1."""

    rate: Callable[[Array], Array]
    time: Callable[[Array], Array]

    def slope(self, t: Array) -> Array:
        """m'(t), any shape."""
        return jax.jvp(self.rate, (t,), (jnp.ones_like(t),))[1]


def linear() -> Schedule:
    return Schedule(lambda t: t, lambda m: m)


def cosine() -> Schedule:
    return Schedule(lambda t: jnp.sin(math.pi / 2 * t), lambda m: 2 / math.pi * jnp.arcsin(m))


def polynomial(power: Positive = 2.0) -> Schedule:
    return Schedule(lambda t: t**power, lambda m: m ** (1 / power))


SCHEDULES: dict[str, Callable[..., Schedule]] = {"linear": linear, "cosine": cosine, "polynomial": polynomial}


# ---- masking: what is masked, and with which weight it counts ------------------------------------------------------


class Masked(NamedTuple):
    """hidden: bool [B, T]. weight: [B, T], of -log p of each token in the bound's estimate; 0 where nothing is hidden."""

    hidden: Array
    weight: Array


def independent(schedule: Schedule, maskable: Array, groups: Array, t: Array, u: Array) -> Masked:
    """A draw of (2): tokens are masked independently, with probability m(t); arguments as in `counted`."""
    t = jnp.take_along_axis(t, groups, axis=1)
    rate = schedule.rate(t)
    hidden = maskable & (u < rate)
    return Masked(hidden, jnp.where(hidden, schedule.slope(t) / rate, 0.0))


def counted(schedule: Schedule, maskable: Array, groups: Array, t: Array, u: Array) -> Masked:
    """A draw of (3): of the L tokens of a group, n = floor(L m(t)) + 1 are masked, which happens with a probability P(n) for uniform t;
    the weight is 1/(n P(n)).

    Args:
      schedule: gives m.
      maskable: bool [B, T], the tokens that diffuse; others are never masked.
      groups: int32 [B, T] in [0, G), which tokens share a time.
      t: [B, G] in (0, 1), uniform.
      u: [B, T], uniform: the order in which tokens are masked.
    """
    total = t.shape[1]
    size = jax.vmap(lambda group, one: jnp.zeros((total,), jnp.int32).at[group].add(one))(groups, maskable.astype(jnp.int32))
    length = jnp.maximum(size, 1).astype(t.dtype)
    n = jnp.minimum(jnp.floor(length * schedule.rate(t)) + 1, length)
    probability = schedule.time(n / length) - schedule.time((n - 1) / length)
    place = _rank(u, jnp.where(maskable, groups, total)) - jnp.take_along_axis(jnp.cumsum(size, axis=1) - size, groups, axis=1)
    hidden = maskable & (place < jnp.take_along_axis(n, groups, axis=1))
    return Masked(hidden, jnp.where(hidden, jnp.take_along_axis(1 / (n * probability), groups, axis=1), 0.0))


MASKINGS: dict[str, Callable[..., Masked]] = {"counted": counted, "independent": independent}


def step(schedule: Schedule, maskable: Array, number: Array, steps: int, u: Array) -> Masked:
    """The term k = number + 1 of (1) for K = steps; u [B, T] uniform."""
    before, rate = schedule.rate(number / steps), schedule.rate((number + 1) / steps)
    hidden = maskable & (u < rate)
    return Masked(hidden, jnp.where(hidden, (rate - before) / rate, 0.0))


def _rank(*keys: Array) -> Array:
    """The place [B, T] of every position when a row is sorted by the last of the keys [B, T], then by the one before."""
    return jnp.argsort(jnp.lexsort(keys, axis=-1), axis=-1)


# ---- orders: which masked tokens a step reveals --------------------------------------------------------------------
# Each: (hidden [B, T], log p of the tokens drawn for them [B, T], how many were hidden before the first step [B, 1], m before and after the
# step, one key a row) -> bool [B, T], what is revealed.
#
# A step draws its tokens blind to each other, so a sample follows the model only as far as a step reveals one token. `random` with as many
# steps as tokens does exactly that: ancestral sampling with infinitely many steps, at the cost of L evaluations (the first-hitting sampler
# of arXiv:2409.02908). `confidence` chooses by what was drawn, which no number of steps makes right: it favours likely tokens.


def ancestral(hidden: Array, log_p: Array, count: Array, before: Array, after: Array, keys: Key) -> Array:
    """Every hidden token with probability (before - after)/before: the reverse of the diffusion."""
    return hidden & (rng.uniform(keys, hidden.shape[1:]) < (before - after) / before)


def _first(priority: Array, hidden: Array, count: Array, after: Array) -> Array:
    """The hidden tokens of the lowest priority value, down to the share `after` of what was hidden at first."""
    left = jnp.round(count * after)
    place = _rank(priority, 1 - hidden.astype(jnp.int32))
    return hidden & (place < jnp.sum(hidden, axis=1, keepdims=True) - left)


def random(hidden: Array, log_p: Array, count: Array, before: Array, after: Array, keys: Key) -> Array:
    """As many as the schedule says, anywhere."""
    return _first(rng.uniform(keys, hidden.shape[1:]), hidden, count, after)


def left_to_right(hidden: Array, log_p: Array, count: Array, before: Array, after: Array, keys: Key) -> Array:
    """As many as the schedule says, from the left."""
    return _first(jnp.broadcast_to(jnp.arange(hidden.shape[1]), hidden.shape), hidden, count, after)


def confidence(hidden: Array, log_p: Array, count: Array, before: Array, after: Array, keys: Key, noise: NonNegative = 0.0) -> Array:
    """As many as the schedule says, the likeliest first (MaskGIT, arXiv:2202.04200); `noise` scales Gumbel noise on log p, fading with m."""
    fading = noise * after * rng.gumbel(keys, hidden.shape[1:]) if noise else 0.0
    return _first(-(log_p + fading), hidden, count, after)


ORDERS: dict[str, Callable[..., Array]] = {"ancestral": ancestral, "random": random, "confidence": confidence, "left_to_right": left_to_right}


class Revealed(NamedTuple):
    """tokens: int32 [B, T]. path: int32 [steps + 1, B, T], what was known before every step and after the last, `mask` where nothing was."""

    tokens: Array
    path: Array


def reveal(
    predict: Callable[[Array], Array],
    choose: Callable[[Array, Key], Array],
    order: Callable[..., Array],
    schedule: Schedule,
    steps: int,
    tokens: Array,
    mask: int,
    keys: Key,
) -> Revealed:
    """Sequences drawn by revealing masked tokens; what is not masked at first stays.

    Args:
      predict: tokens [B, T] -> logits [B, T, V] of every masked one.
      choose: (logits [B, T, V], one key a row) -> tokens [B, T] drawn from them.
      order: an entry of ORDERS.
      schedule, steps: step k of K goes from m(1 - k/K) to m(1 - (k + 1)/K); one call of `predict` each.
      tokens: int32 [B, T], `mask` where a token is to be drawn.
      keys: [B], one a row.
    """
    count = jnp.sum(tokens == mask, axis=1, keepdims=True)

    def one(tokens, number):
        before, after = schedule.rate(1 - number / steps), schedule.rate(1 - (number + 1) / steps)
        here = rng.each(keys, number)
        logits = predict(tokens)
        drawn = choose(logits, jax.vmap(lambda key: rng.fold_name(key, "token"))(here))
        log_p = jnp.take_along_axis(jax.nn.log_softmax(logits, axis=-1), drawn[..., None], axis=-1)[..., 0]
        shown = order(tokens == mask, log_p, count, before, after, jax.vmap(lambda key: rng.fold_name(key, "order"))(here))
        tokens = jnp.where(shown, drawn, tokens)
        return tokens, tokens

    found, path = jax.lax.scan(one, tokens, jnp.arange(steps))
    return Revealed(found, jnp.concatenate([tokens[None], path]))
