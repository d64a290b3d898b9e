"""genjax: should a model predict the noise or the next token?

Importing the package imports nothing heavy: a mistyped command line is answered before jax is loaded.
"""

__version__ = "0.1.0"
