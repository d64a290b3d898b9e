"""shapes: captioned scenes of coloured shapes whose entropy, posteriors and ideal models are known exactly.

`scenes` draws and renders them, `captions` says what is true of them, `splits` holds some out, `oracle` reads a picture back into facts,
`bayes` is the best model there can be, `source` makes a data set of it, and `prepare` writes it as a set of tensorflow-datasets.
"""
