"""What is said of sounds, films and pictures, found out by one model: it hears, watches or looks, and answers in words (docs/modalities.md).

  python scripts/train.py --config=configs/said.py:next_token --workdir=runs/said --config.data.dir=DATA
  python scripts/evaluate.py --workdir=runs/said --config.sample.count=500
  python scripts/sample.py --workdir=runs/said --image=held_out
  python scripts/train.py --config=configs/said.py:masked_diffusion --workdir=runs/said_masked --config.data.dir=DATA
  python scripts/train.py --config=configs/said.py:next_token --workdir=runs/heard --config.data.source=said:spoken_digit \
    --config.conditioning.shown_patches=32                                                                      (sound alone)

DATA (or GENJAX_DATA_DIR) holds spoken_digit/*.tar.gz and noto_emoji, as they were published; films are made up. What is shown stands before the words
in the same sequence: sounds as 32 patches of 32 values, films as 24 of a frame's quarter, pictures as 16 of 8x8.

Hardware: 2 CPU cores; what it took: docs/gallery.md.
"""

VARIANTS = ("next_token", "masked_diffusion")


def get_config(config, variant):
    config.objective = variant
    config.data.source = "said:spoken_digit+moving:shapes+emoji"
    config.data.batch_size = 64
    config.data.eval_batch_size = 100
    config.conditioning.text = "tokens"
    config.conditioning.shown_patches = "32; 1,4,4; 8"
    config.conditioning.drop_rate = 0.0
    config.model.width = 96
    config.model.dropout = 0.1
    config.optimizer.name = "muon"
    config.optimizer.learning_rate = 2e-2
    config.optimizer.adam_learning_rate = 4e-3
    config.evaluate.examples = 500
    config.sample.count = 20
    config.train.duration = "1500 steps"
    config.train.evaluate_every = "50 percent"
    config.next_token.temperature = 0.0
    config.masked_diffusion.steps = 9  # one a token of the longest answer with its end
    return config
