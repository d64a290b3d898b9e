"""MNIST (28x28 pixels, 256 levels, 10 classes), class by class.

python scripts/train.py --config=configs/mnist.py:noise_prediction --workdir=runs/mnist_noise --config.data.dir=PREPARED
python scripts/train.py --config=configs/mnist.py:next_token --workdir=runs/mnist_next_token --config.data.dir=PREPARED

Any other small image set that tensorflow-datasets has prepared: --config.data.source=tfds:<name>. Not run to the end here: no expected number.
"""

VARIANTS = ("noise_prediction", "next_token", "classifier")


def get_config(config, variant):
    config.objective = variant
    config.data.source = "tfds:mnist"
    config.data.batch_size = {"noise_prediction": 64, "next_token": 16, "classifier": 64}[variant]
    config.data.eval_batch_size = 100
    config.evaluate.examples = 1000
    config.sample.count = 100

    config.model.width = 128
    config.model.dropout = 0.1 if variant == "classifier" else 0.0
    config.optimizer.ema = "constant(decay=0.999)"
    config.train.duration = {"noise_prediction": "4000 steps", "next_token": "1000 steps", "classifier": "1000 steps"}[variant]

    diffusion = config.noise_prediction
    diffusion.patch_size = 4
    diffusion.prediction = "edm"
    diffusion.data_std = 0.9
    diffusion.logsnr_min, diffusion.logsnr_max = -10.0, 13.0  # 256 levels are 1/128 apart on [-1, 1]: the data end must resolve them
    return config
