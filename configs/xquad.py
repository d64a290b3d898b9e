"""Questions about paragraphs in SQuAD's format (XQuAD's English part): the format and its measure, on far too few data to learn to read from.

  python scripts/train.py --config=configs/xquad.py --workdir=runs/xquad
  python scripts/evaluate.py --workdir=runs/xquad

The length of training is a guess: nothing has been measured.
"""


def get_config(config, variant):
    config.objective = "next_token"
    config.data.source = "pairs:../shared/data/sources/xquad_en/xquad.en.json"
    config.data.tokenizer = "bpe(vocab=2048)"
    config.data.length = 912
    config.data.batch_size = 2
    config.data.eval_batch_size = 16

    config.model.width = 128
    config.model.depth = 3
    config.model.tied_head = True
    config.next_token.attention = "prefix"
    config.optimizer.name = "muon"
    config.optimizer.learning_rate = 2e-2
    config.optimizer.adam_learning_rate = 4e-3
    config.optimizer.ema = "constant(decay=0.98)"
    config.optimizer.warmup = "20 steps"
    config.train.duration = "50 steps"
    config.train.log_every = "20 steps"
    config.train.evaluate_every = config.train.sample_every = config.train.checkpoint_every = "100 percent"
    config.evaluate.examples = None
    config.sample.length = 32
    config.next_token.temperature = 0.0
    return config
