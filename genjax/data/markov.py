"""A source whose entropy is known: text of a second-order Markov chain over four letters.

    H = sum_ab pi(ab) sum_c -P(c | ab) log2 P(c | ab)         bits a symbol                                (1)

with pi the stationary distribution of pairs. No model of fresh text from it can need fewer bits, and a good one needs no more. The chain and both
texts are functions of a seed.
"""

from __future__ import annotations

import numpy as np

from genjax.data.text import Corpus
from genjax.errors import UsageError

LETTERS = "abcd"
TRAIN, EVAL = 2**18, 2**16  # symbols


def open_markov(argument: str, data_dir: str | None = None) -> Corpus:
    """`markov` or `markov:<seed>`."""
    if argument and not argument.isdecimal():
        raise UsageError(f"data source 'markov:{argument}': write markov, or markov:<seed> with a whole number")
    seed = int(argument or 0)
    chain = transitions(seed)
    return Corpus([text(chain, TRAIN, seed, 1)], [text(chain, EVAL, seed, 2)])


def transitions(seed: int) -> np.ndarray:
    """P(c | a, b) as [a, b, c]."""
    return np.random.RandomState([seed, 0]).dirichlet(np.full(len(LETTERS), 0.5), (len(LETTERS), len(LETTERS)))


def entropy_rate(chain: np.ndarray) -> float:
    """Equation (1)."""
    k = len(chain)
    pairs = np.full((k, k), 1 / k**2)
    for _ in range(10_000):
        pairs = np.einsum("ab,abc->bc", pairs, chain)
    return float(-np.einsum("ab,abc,abc->", pairs, chain, np.log2(np.maximum(chain, 1e-300))))


def text(chain: np.ndarray, length: int, seed: int, stream: int) -> str:
    """`length` symbols of the chain, begun with any two."""
    random = np.random.RandomState([seed, stream])
    cumulative = np.cumsum(chain, axis=-1)[..., :-1].tolist()
    uniform = random.uniform(size=length).tolist()
    a, b = (int(symbol) for symbol in random.randint(len(LETTERS), size=2))
    drawn = []
    for u in uniform:
        a, b = b, sum(u > edge for edge in cumulative[a][b])
        drawn.append(LETTERS[b])
    return "".join(drawn)
