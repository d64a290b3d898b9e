"""Fashion-MNIST (28x28 pixels, 256 levels, 10 classes), class by class.

python scripts/train.py --config=configs/fashion_mnist.py --workdir=runs/fashion --config.data.dir=PREPARED
python scripts/train.py --config=configs/fashion_mnist.py:classifier --workdir=runs/fashion_judge --config.data.dir=PREPARED

The classifier judges samples (evaluate.py --classifier). Hardware: 2 CPU cores that other work shared, 20 minutes of training each. Expected, seed 0,
on 1000 held-out images: noise_prediction at most 3.53 +- 0.03 bits/dim, the classifier 0.52 +- 0.04 bits a label. What training and evaluations buy:
docs/diffusion.md, configs/compare/fashion_mnist.py.
"""

VARIANTS = ("noise_prediction", "classifier")


def get_config(config, variant):
    config.objective = variant
    config.data.source = "tfds:fashion_mnist"
    config.data.batch_size = 64
    config.data.eval_batch_size = 250
    config.evaluate.examples = 1000
    config.sample.count = 100

    config.model.width = 128
    config.model.depth = {"noise_prediction": 6, "classifier": 3}[variant]
    config.model.dropout = {"noise_prediction": 0.0, "classifier": 0.1}[variant]
    config.optimizer.learning_rate = {"noise_prediction": 2e-3, "classifier": 1e-3}[variant]
    config.optimizer.ema = "constant(decay=0.999)"
    config.train.duration = {"noise_prediction": "2400 steps", "classifier": "1500 steps"}[variant]
    config.train.checkpoint_every = "25 percent"
    config.checkpoint.keep = 4

    diffusion = config.noise_prediction
    diffusion.patch_size = 4
    diffusion.prediction = "edm"
    diffusion.data_std = 0.7
    diffusion.logsnr_min, diffusion.logsnr_max = -10.0, 13.0  # 256 levels are 1/128 apart on [-1, 1]: the data end must resolve them
    return config
