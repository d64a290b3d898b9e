"""Any image set of tensorflow-datasets, prepared as array_record; no TensorFlow is needed to read it.

  python scripts/train.py --config=configs/tfds_image.py:noise_prediction --workdir=runs/fashion_noise \\
      --config.data.source=tfds:fashion_mnist --config.data.dir=../shared/data/tfds

Sized to be tried on a laptop; for results, set model.*, train.duration and data.batch_size to the hardware.
"""

VARIANTS = ("noise_prediction", "next_token")


def get_config(config, variant):
    config.objective = variant
    config.data.source = "tfds:fashion_mnist"
    config.data.batch_size = 32
    config.data.eval_batch_size = 64
    config.evaluate.examples = 512
    config.sample.count = 50

    config.model.width = 96
    config.noise_prediction.patch_size = 4
    config.noise_prediction.prediction = "v"
    # 256 levels are 1/128 apart on [-1, 1]: the data end must resolve them.
    config.noise_prediction.logsnr_min, config.noise_prediction.logsnr_max = -10.0, 13.0

    config.train.duration = "2000 steps"
    config.train.checkpoint_every = "250 steps"
    return config
