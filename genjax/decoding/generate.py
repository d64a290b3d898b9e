"""Drawing sequences token by token, each from what was drawn before it.

The model is a function `apply`, and what it has seen is a state that only it understands (a cache of keys and values, usually). A prompt is
read into the state by `prefill`, all but its last token; each step then feeds the last token of every row and draws the next:

    token[b, i] ~ rule(apply(token[b, i-1]))   with the key of row b folded with i                  (1)

so a row does not depend on its neighbours, on its padding, or on whether it is drawn at once (`generate`) or watched (`stream`).

A step reads all of the state, so room for what is to come is made in stages, each as long as all before it: made at once, half of it would lie
empty half of the time. The noise of a stage is drawn at its beginning where it is small: random numbers for one token take long beside a short step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.decoding.sampling import SamplingRule
from genjax.types import Array, Key, PyTree

# (tokens int32 [B, T], positions int32 [B, T], real bool [B, T], state) -> (logits [B, T, V] of what follows each token, the state after
# them). A position is the index of the token that is predicted; where `real` is false the token is padding, which no state keeps.
Apply = Callable[[Array, Array, Array, PyTree], tuple[Array, PyTree]]

SHORTEST = 64  # tokens of a stage: shorter ones are not worth a program each
MOST_NOISE = 2**16  # numbers a row whose noise is drawn ahead; where a vocabulary is large, random numbers are little of a step

Stop = tuple[tuple[int, ...], ...]  # sequences of tokens; a row ends with the first of them that it completes


class Progress(NamedTuple):
    """token int32 [B], the last of each row; position int32 [B] of what comes next; recent int32 [B, K], the last tokens that were drawn (-1:
    none); done bool [B]; step int32, how many were drawn; state, what was seen before `token`.
    """

    token: Array
    position: Array
    recent: Array
    done: Array
    step: Array
    state: PyTree


class Drawn(NamedTuple):
    """tokens int32 [B, N]; lengths int32 [B] of them that were drawn, a stop sequence included (what follows is 0 and means nothing); steps,
    calls of the model.
    """

    tokens: Array
    lengths: Array
    steps: Array


def begin(state: PyTree, token: Array, position: Array | int = 0, stop: Stop = ()) -> Progress:
    """Before the first draw: token [B] is given and not yet in the state, and what follows it has the position(s) `position`."""
    rows, longest = token.shape[0], max(map(len, stop), default=0)
    position = jnp.broadcast_to(jnp.asarray(position, jnp.int32), (rows,))
    return Progress(token, position, jnp.full((rows, longest), -1), jnp.zeros(rows, bool), jnp.zeros((), jnp.int32), state)


def prefill(apply: Apply, state: PyTree, tokens: Array, real: Array, stop: Stop = (), chunk: int | None = None) -> Progress:
    """Reads prompts, and is ready to draw what follows them.

    Args:
      apply, state: the model and its empty state.
      tokens: int32 [B, P], the prompts; position 0 is what follows the first real token.
      real: bool [B, P], false where a row is padded: on the left, on the right or in between; at least one token a row is real.
      stop: see `generate`.
      chunk: tokens that are read at once, to bound the memory; None reads all of them.
    """
    positions = jnp.cumsum(real, axis=1) - 1
    last = jnp.argmax(jnp.where(real, positions, -1), axis=1)[:, None]
    token, position = (jnp.take_along_axis(rows, last, axis=1)[:, 0] for rows in (tokens, positions))
    unread, length = real & (jnp.arange(tokens.shape[1]) != last), tokens.shape[1]
    for start in range(0, length if length > 1 else 0, chunk or length):
        here = slice(start, start + (chunk or length))
        _, state = apply(tokens[:, here], positions[:, here], unread[:, here], state)
    return begin(state, token, position, stop)


def make_step(apply: Apply, rule: SamplingRule, keys: Key, stop: Stop = (), known: tuple[Array, Array] | None = None) -> Callable[..., Progress]:
    """Equation (1) as a function from progress, and the noise [B, V] if it is drawn already, to progress; a row that is done draws 0 and its state
    stays. Arguments as in `generate`.
    """

    def step(at: Progress, noise: Array | None = None) -> Progress:
        logits, state = apply(at.token[:, None], at.position[:, None], ~at.done[:, None], at.state)
        token = rule(logits[:, 0], rng.each(keys, at.position)) if noise is None else rule.choose(logits[:, 0], noise)
        if known is not None:
            token = jnp.where(known[1][:, at.step], known[0][:, at.step], token)
        token = jnp.where(at.done, 0, token)
        recent = jnp.concatenate([at.recent, token[:, None]], axis=1)[:, 1:]
        ends = [jnp.all(recent[:, recent.shape[1] - len(words) :] == jnp.array(words), axis=1) for words in stop]
        return Progress(token, at.position + ~at.done, recent, jnp.any(jnp.stack([at.done, *ends]), axis=0), at.step + 1, state)

    return step


def stages(length: int) -> list[int]:
    """After how many tokens each stage of drawing `length` ends."""
    return [length] if length < 2 * SHORTEST else [*stages(-(-length // 2)), length]


def generate(
    apply: Apply,
    progress: Progress,
    length: int,
    rule: SamplingRule,
    keys: Key,
    *,
    stop: Stop = (),
    known: tuple[Array, Array] | None = None,
    vocab: int | None = None,
    grow: Callable[[PyTree, int], PyTree] | None = None,
) -> Drawn:
    """At most `length` tokens a row.

    Args:
      apply: the model; called once a token, until all rows are done.
      progress: from `begin` or `prefill`.
      length: how many tokens to draw.
      rule: how a token is chosen.
      keys: one key a row [B].
      stop: sequences that end a row.
      known: (tokens int32 [B, length], mask bool [B, length]): where the mask is true the token is given. What is drawn sees the given
        tokens before it, not those after it.
      vocab: V; where it is told, the noise of a stage is drawn at once, if that is not too much. The tokens are the same.
      grow: (state, n) -> the state with room for n tokens more; then the state given has room for those of the first of `stages` only.
    """
    step = make_step(apply, rule, keys, stop, known)

    def stage(carry: tuple[Progress, Array, Array], first: int, last: int) -> tuple[Progress, Array, Array]:
        noise, begins = None, carry[0].position
        if vocab is not None and (last - first) * vocab <= MOST_NOISE:
            noise = jax.vmap(lambda keys: rule.noise(keys, vocab))(rng.along(keys, begins[:, None] + jnp.arange(last - first)))

        def draw(carry: tuple[Progress, Array, Array]) -> tuple[Progress, Array, Array]:
            at, tokens, lengths = carry
            after = step(at, None if noise is None else noise[:, at.step - first])
            return after, tokens.at[:, at.step].set(after.token), lengths + ~at.done

        if stop:
            return jax.lax.while_loop(lambda carry: (carry[0].step < last) & ~jnp.all(carry[0].done), draw, carry)
        # As many steps as there are tokens: a loop whose operations can be counted beforehand.
        return jax.lax.fori_loop(first, last, lambda _, carry: draw(carry), carry)

    rows, ends = progress.token.shape[0], [length] if grow is None else stages(length)
    carry = progress, jnp.zeros((rows, length), jnp.int32), jnp.zeros(rows, jnp.int32)
    for first, last in zip([0, *ends], ends, strict=False):
        if grow is not None and first:
            carry = carry[0]._replace(state=grow(carry[0].state, last - first)), *carry[1:]
        carry = stage(carry, first, last)
    return Drawn(carry[1], carry[2], carry[0].step)


def stream(step: Callable[[Progress], Progress], progress: Progress, length: int) -> Iterator[tuple[Array, Array]]:
    """The tokens of `generate` as they come: (tokens int32 [B], which of them were drawn bool [B]) for every step.

    step: from `make_step` with the same arguments, compiled by the caller, who knows what its parameters are.
    """
    for _ in range(length):
        drawn = ~progress.done
        if not drawn.any():
            return
        progress = step(progress)
        yield progress.token, drawn
