"""Fashion-MNIST in two stages, an autoencoder and diffusion in its latents, and the same diffusion model in pixels.

  python scripts/train.py --config=configs/fashion_mnist_latent.py:autoencoder --workdir=runs/fashion_autoencoder
  python scripts/train.py --config=configs/fashion_mnist_latent.py:latent_diffusion --workdir=runs/fashion_latent
  python scripts/train.py --config=configs/fashion_mnist_latent.py:pixel_diffusion --workdir=runs/fashion_pixel

with --config.data.dir=../shared/data/tfds, or wherever the data are prepared; another --workdir of the first goes into the second as
--config.noise_prediction.autoencoder=WORKDIR. The 28x28 pixels become 7x7 latents of 4 channels, and the pixel model's patches are 4x4: both
models are the same transformer over 49 positions. Not measured: neither stage has been run at this length.
"""

VARIANTS = ("autoencoder", "latent_diffusion", "pixel_diffusion")


def get_config(config, variant):
    diffusion, latent = config.noise_prediction, variant == "latent_diffusion"
    config.data.source = "tfds:fashion_mnist"
    config.data.batch_size = 64
    config.data.eval_batch_size = 64
    config.evaluate.examples = 512
    config.sample.count = 60
    config.train.checkpoint_every = "200 steps"

    config.autoencoder.channels = 16
    config.autoencoder.multipliers = (1, 2, 4)
    if variant == "autoencoder":
        config.objective = "autoencoder"
        config.conditioning.label = False
        config.train.duration = "1200 steps"
        return config

    config.objective = "noise_prediction"
    config.train.duration = "1200 steps"
    config.model.width = 96
    diffusion.prediction = "edm"
    diffusion.data_std = 0.7
    diffusion.autoencoder = "runs/fashion_autoencoder" if latent else None
    diffusion.patch_size = 1 if latent else 4
    # 256 levels are 1/128 apart on [-1, 1], and the data end must resolve them; latents are as fine as the noise that the encoder adds.
    diffusion.logsnr_min, diffusion.logsnr_max = -10.0, 9.0 if latent else 13.0
    return config
