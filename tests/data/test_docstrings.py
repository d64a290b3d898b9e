"""Functions with what they do: read off a module written for the purpose, and off the standard library."""

import pytest

from genjax.data.base import Turn
from genjax.data.docstrings import LONGEST, described, read_stdlib_docs
from genjax.errors import UsageError

MODULE = '''
def double(x):
    """Twice x.

    More about it.
    """
    return 2 * x


class Stack:
    """Not a function."""

    def push(self, item):
        "Put an item on top."
        # at the end
        self.items.append(item)

    async def wait(self):
        """ Wait. """; await self


def cut_short(x):
    """This goes on
    in the next line."""
    return x


def silent(x):
    return x


def only_said():
    """Do nothing."""


def again(x):
    """Twice x."""
    return x + x
'''


def test_a_function_is_its_source_without_the_docstring_and_the_docstrings_first_line():
    assert sorted(described(MODULE)) == [
        Turn("def double(x):\n    return 2 * x", "Twice x."),
        Turn("def push(self, item):\n    # at the end\n    self.items.append(item)", "Put an item on top."),
    ]


def test_long_functions_and_what_is_no_python_are_left_out():
    assert described(f'def f():\n    """Short."""\n    return "{"x" * LONGEST}"\n') == []
    assert described("def f(:\n") == []


def test_the_standard_library_says_nothing_twice_and_of_no_function_in_both_splits():
    train, held_out = read_stdlib_docs("")
    assert len(train) > 1000 and len(held_out) > 50
    prompts = [turn.prompt for split in (train, held_out) for (turn,) in split]
    assert len(set(prompts)) == len(prompts)
    assert all(len(prompt.encode()) <= LONGEST and prompt.startswith(("def ", "async def ")) for prompt in prompts)
    assert not any('"""' + turn.answer in turn.prompt for (turn,) in held_out)


def test_it_takes_no_argument():
    with pytest.raises(UsageError, match="takes no argument"):
        read_stdlib_docs("x")
