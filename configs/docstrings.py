"""What a function does, in a line: summaries of Python's standard library, which is on every machine.

  python scripts/train.py --config=configs/docstrings.py --workdir=runs/docstrings
  python scripts/evaluate.py --workdir=runs/docstrings
  python scripts/sample.py --workdir=runs/docstrings --prompt='def is_set(self): return self._value'

The length of training is a guess: nothing has been measured.
"""


def get_config(config, variant):
    config.objective = "next_token"
    config.data.source = "python_stdlib_docs"
    config.data.tokenizer = "bpe(vocab=1024)"
    config.data.length = 288
    config.data.batch_size = 8

    config.model.width = 128
    config.model.depth = 3
    config.model.tied_head = True
    config.next_token.attention = "prefix"
    config.optimizer.name = "muon"
    config.optimizer.learning_rate = 2e-2
    config.optimizer.adam_learning_rate = 4e-3
    config.optimizer.ema = "constant(decay=0.99)"
    config.optimizer.warmup = "50 steps"
    config.train.duration = "200 steps"
    config.train.log_every = "50 steps"
    config.train.evaluate_every = config.train.sample_every = config.train.checkpoint_every = "100 percent"
    config.evaluate.examples = None
    config.sample.length = 48
    config.next_token.temperature = 0.0
    return config
