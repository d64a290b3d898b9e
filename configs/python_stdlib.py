"""Code, byte by byte: the sources of the running Python's standard library, which are on every machine.

  python scripts/train.py --config=configs/python_stdlib.py:next_token --workdir=runs/code
  python scripts/sample.py --workdir=runs/code --prompt='def read(self, size=-1):' --config.sample.length=400
  python scripts/evaluate.py --workdir=runs/code --config.evaluate.examples=None

The files differ a little between versions of Python, and with them every figure. Hardware: 2 CPU cores, 12 minutes on one of them. Expected with
Python 3.11.7, seed 0: 1.48 ± 0.04 bits a byte on the first 256 held-out windows, which is what training measures, and 1.628 ± 0.007 on all of them
(docs/text.md). Muon on the hidden matrices is worth 0.14: AdamW alone, at 4e-3, came to 1.62 on the first.
"""

VARIANTS = ("next_token",)


def get_config(config, variant):
    config.objective = variant
    config.data.source = "python_stdlib"
    config.data.tokenizer = "byte"
    config.data.length = 256
    config.data.batch_size = 8
    config.data.eval_batch_size = 32
    config.evaluate.examples = 256

    config.model.width = 128
    config.optimizer.name = "muon"
    config.optimizer.learning_rate = 2e-2
    config.optimizer.adam_learning_rate = 4e-3
    config.optimizer.weight_decay = 0.1
    config.optimizer.warmup = "100 steps"
    config.train.duration = "1500 steps"
    config.train.log_every = "100 steps"
    config.sample.count = 4
    return config
