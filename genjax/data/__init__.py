"""What is seen: `sources` opens a data set by name, `loader` turns it into batches whose order is a function of (seed, step)."""
