"""Spoken digits (Free Spoken Digit Dataset, half a second at 2 kHz in 256 mu-law levels, or codes of four of them), digit by digit.

  python scripts/train.py --config=configs/spoken_digit.py:next_token --workdir=runs/speech_next_token --config.data.dir=DATA
  python scripts/train.py --config=configs/spoken_digit.py:noise_prediction --workdir=runs/speech_noise --config.data.dir=DATA
  python scripts/train.py --config=configs/spoken_digit.py:classifier --workdir=runs/speech_classifier --config.data.dir=DATA
  python scripts/sample.py --workdir=runs/speech_noise --label=3                             (a spectrogram and a WAV)
  python scripts/evaluate.py --workdir=runs/speech_noise --classifier=runs/speech_classifier
  python scripts/train.py --config=configs/spoken_digit.py:hybrid --workdir=runs/speech_hybrid --config.data.dir=DATA
  python scripts/sample.py --workdir=runs/speech_hybrid --prompt='seven jackson'             (who says what)

DATA (or GENJAX_DATA_DIR) holds spoken_digit/*.tar.gz, the archive as it was published. 2,250 clips of 5 speakers are trained on, and 250 (recordings
0 to 4 of each speaker and digit) are held out. Your own clips: --config.data.source=audio:FOLDER.

Hardware: 2 CPU cores; what it took and what came of it: docs/gallery.md, docs/modalities.md.
"""

VARIANTS = ("next_token", "noise_prediction", "hybrid", "classifier")


def get_config(config, variant):
    config.objective = variant
    config.data.source = "spoken_digit"
    config.data.batch_size = 32
    config.data.eval_batch_size = 25
    config.model.width, config.model.depth = 64, 3
    config.model.dropout = 0.3 if variant == "classifier" else 0.0
    config.evaluate.examples = 100
    config.sample.count = 20
    steps = {"next_token": 1600, "noise_prediction": 3000, "hybrid": 2500, "classifier": 1200}
    config.train.duration = f"{steps[variant]} steps"
    config.train.evaluate_every = "50 percent"
    config.train.sample_every = "100 percent" if variant == "classifier" else "50 percent"
    config.optimizer.name = "muon"
    config.optimizer.learning_rate = 2e-2
    config.optimizer.adam_learning_rate = 4e-3
    config.optimizer.ema = "constant(decay=0.995)" if variant == "classifier" else "constant(decay=0.998)"

    if variant == "next_token":  # of numbers of four values each, which the classifier hears as well as the values
        config.data.source = "coded:patch=4+spoken_digit"
        config.data.batch_size = 16
        config.model.width, config.model.depth, config.model.dropout = 96, 4, 0.1

    if variant == "hybrid":  # one trunk for words and what they are said of, in either order
        config.conditioning.text = "tokens"
        config.conditioning.label = False
        config.hybrid.describes = 0.5

    if variant == "noise_prediction":
        config.model.width, config.model.depth = 96, 4
        config.noise_prediction.weighting = "sigmoid(bias=3)"  # which digit it is shows above the noise of the recording

    config.classifier.patch_size = 16
    config.classifier.shift = 100 if variant == "classifier" else 0  # 50 ms: without it the 2,250 clips are learnt by heart
    diffusion = config.noise_prediction
    diffusion.patch_size = 16
    diffusion.prediction = "edm"
    diffusion.data_std = 0.45
    diffusion.logsnr_min, diffusion.logsnr_max = -8.0, 11.0  # levels are 1/128 apart on [-1, 1]
    return config
