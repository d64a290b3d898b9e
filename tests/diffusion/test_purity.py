"""The package is mathematics: it may import jax, numpy and the standard library, genjax's records, keys and errors, and itself."""

import ast
import pathlib
import sys

import genjax.diffusion

ALLOWED = {"jax", "numpy", "genjax.types", "genjax.rng", "genjax.errors", "genjax.registry", "genjax.diffusion"}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_imports():
    for path in pathlib.Path(genjax.diffusion.__file__).parent.glob("*.py"):
        for name in imported(path):
            known = name.split(".")[0] in sys.stdlib_module_names or any(name == a or name.startswith(a + ".") for a in ALLOWED)
            assert known, f"{path.name} imports {name}"
