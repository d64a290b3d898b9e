"""English captions into German (Multi30k): an encoder with a decoder, or one trunk that reads the English in both directions.

  python scripts/train.py --config=configs/multi30k.py:encoder_decoder --workdir=runs/translation
  python scripts/evaluate.py --workdir=runs/translation --config.data.held_out=test.en,test.de --config.sample.length=64
  python scripts/sample.py --workdir=runs/translation --chat

The files are those of Multi30k, wherever they lie: --config.data.source=pairs:train.en,train.de --config.data.held_out=val.en,val.de. Expected on
test_2016_flickr, seed 0: BLEU 18.2 (encoder_decoder) and 16.1 (prefix_lm), where the English itself has 0.5 and word by word 8.9. Hardware: 2 CPU
cores, 5 minutes of CPU time. All figures: docs/translation.md.
"""

_FOLDER = "../shared/data/sources/multi30k"

VARIANTS = ("encoder_decoder", "prefix_lm")


def get_config(config, variant):
    config.objective = "next_token"
    config.data.source = f"pairs:{_FOLDER}/train.en.gz,{_FOLDER}/train.de.gz"
    config.data.held_out = f"{_FOLDER}/val.en.gz,{_FOLDER}/val.de.gz"
    config.data.tokenizer = "bpe(vocab=2048)"
    config.data.length = 160
    config.data.batch_size = 8

    config.model.width = 128
    config.model.depth = 2
    config.model.tied_head = True
    config.next_token.encoder = "trunk(depth=2)"
    if variant == "prefix_lm":
        config.model.depth = 4
        config.next_token.encoder = "none"
        config.next_token.attention = "prefix"

    config.optimizer.name = "muon"
    config.optimizer.learning_rate = 2e-2
    config.optimizer.adam_learning_rate = 4e-3
    config.optimizer.ema = "constant(decay=0.99)"
    config.optimizer.warmup = "50 steps"
    config.train.duration = "640 steps"
    config.train.log_every = "50 steps"
    config.train.evaluate_every = "100 percent"
    config.train.sample_every = "100 percent"
    config.evaluate.examples = None
    config.next_token.temperature = 0.0
    return config
