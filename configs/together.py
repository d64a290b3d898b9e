"""A digit that is heard and seen: words by next-token prediction, sound and film by noise prediction, in one trunk (docs/mixed.md).

  python scripts/train.py --config=configs/together.py:hybrid --workdir=runs/together --config.data.dir=DATA
  python scripts/sample.py --workdir=runs/together --prompt='seven jackson sideways'                         (said, then sounded and shown)
  python scripts/sample.py --workdir=runs/together --image=held_out --redraw=moving:digits                   (heard, put into words, and shown)
  python scripts/sample.py --workdir=runs/together --image=held_out --describe
  python scripts/evaluate.py --workdir=runs/together --redraw=moving:digits --config.sample.count=256

DATA (or GENJAX_DATA_DIR) holds spoken_digit/*.tar.gz. Films are made up. Without sounds:
--config.data.source=together:moving:digits+moving:digits/frames=3 --config.conditioning.shown_patches='1,6,6; 1,6,6'.

Hardware: 2 CPU cores; what it took: docs/gallery.md.
"""

VARIANTS = ("hybrid",)


def get_config(config, variant):
    config.objective = variant
    config.data.source = "together:spoken_digit+moving:digits"
    config.data.batch_size = 32
    config.data.eval_batch_size = 64
    config.conditioning.text = "tokens"
    config.conditioning.shown_patches = "32; 1,6,6"
    config.conditioning.label = False  # the words say it
    config.hybrid.describes = 0.5
    config.hybrid.words_weight = 100.0  # three words beside 1,888 values
    config.evaluate.examples = 256
    config.sample.count = 20
    config.train.duration = "5000 steps"
    config.train.evaluate_every = config.train.sample_every = "50 percent"
    config.optimizer.name = "muon"
    config.optimizer.learning_rate = 2e-2
    config.optimizer.adam_learning_rate = 4e-3
    config.optimizer.ema = "constant(decay=0.998)"
    config.next_token.temperature = 0.0

    diffusion = config.noise_prediction
    diffusion.prediction = "edm"
    diffusion.data_std = 0.6  # 0.45 of sounds, 0.8 of films
    diffusion.weighting = "sigmoid(bias=3)"
    diffusion.logsnr_min, diffusion.logsnr_max = -8.0, 11.0
    return config
