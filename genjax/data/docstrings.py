"""Functions of Python's standard library and what they are said to do: `python_stdlib_docs`, summaries that are on every machine.

The prompt is the source of a function without its docstring, the answer is the docstring's first line. Methods count as functions. Functions of more
than LONGEST bytes, and those whose first line is cut short or repeats another's of the same file, are left out. A tenth of the files is held out.
"""

from __future__ import annotations

import ast
import textwrap
import warnings

from genjax.data.base import Dialogue, Turn
from genjax.data.pairs import Dialogues
from genjax.data.text import chosen_by_name, stdlib_files
from genjax.errors import UsageError

LONGEST = 400


def read_stdlib_docs(argument: str, held_out: str | None = None) -> Dialogues:
    """`python_stdlib_docs`: sources, and what they do."""
    if argument:
        raise UsageError(f"data source 'python_stdlib_docs:{argument}': it takes no argument, write 'python_stdlib_docs'")
    files = stdlib_files()
    chosen = chosen_by_name(files)
    split: dict[bool, list[Dialogue]] = {False: [], True: []}
    seen: set[str] = set()
    for name, text in files.items():
        for turn in described(text):
            if turn.prompt not in seen:  # the same function in two modules
                split[name in chosen].append((turn,))
            seen.add(turn.prompt)
    return Dialogues(split[False], split[True])


def described(source: str) -> list[Turn]:
    """The functions of a module that say what they do, in its order; none where it is not Python."""
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source)
    except SyntaxError:
        return []
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (said := ast.get_docstring(node)) and _apart(node):
            first, _, rest = said.partition("\n")
            if first.strip() and not rest.partition("\n")[0].strip():  # the first line is a whole paragraph
                found.setdefault(first.strip(), _without_docstring(source, node))
    return [Turn(prompt, said) for said, prompt in found.items() if len(prompt.encode()) <= LONGEST]


def _apart(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the docstring has its lines to itself, with something after it."""
    last = node.body[0].end_lineno
    return len(node.body) > 1 and last is not None and node.lineno < node.body[0].lineno and last < node.body[1].lineno


def _without_docstring(source: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The lines of a function but those of its docstring, to the left."""
    lines, docstring = source.split("\n"), node.body[0]
    assert docstring.end_lineno is not None
    kept = [*lines[node.lineno - 1 : docstring.lineno - 1], *lines[docstring.end_lineno : node.end_lineno]]
    return textwrap.dedent("\n".join(kept)).strip()
