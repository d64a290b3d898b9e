"""CIFAR-10 in three published settings of noise prediction, for one pod slice or a few GPUs. None has been run at this scale here.

  python scripts/train.py --config=configs/cifar10.py:vdm --workdir=runs/cifar10_vdm
  python scripts/train.py --config=configs/cifar10.py:edm --workdir=runs/cifar10_edm --config.parallel.fsdp=2
  python scripts/train.py --config=configs/cifar10.py:dit --workdir=runs/cifar10_dit --config.model.dtype=bfloat16
  python scripts/train.py --config=configs/cifar10.py:dit --workdir=runs/try --config.model.depth=2 --config.data.batch_size=16 \\
      --config.train.duration="200 steps" --config.train.steps_per_dispatch=1                                  (a try on a laptop)

What the papers report, as targets, with what differs here:
  vdm  2.65 bits/dim without augmentation (arXiv:2107.00630, table 1): 10M steps of batch 128, without classes, a U-Net that never
       changes resolution. Here without its Fourier features of the input.
  edm  FID 1.79 with classes (arXiv:2206.00364, table 2): 200M images of batch 512. Here without augmentation (theirs is non-leaking), with
       attention of our own kind; genjax measures a Fréchet distance in a classifier's features, which is not FID.
  dit  no published CIFAR-10 figure: the S/2 model (33M parameters) and training of arXiv:2212.09748 in pixels.
"""

VARIANTS = ("vdm", "edm", "dit", "classifier")


def get_config(config, variant):
    config.objective = "noise_prediction"
    config.data.source = "tfds:cifar10"
    config.noise_prediction.logsnr_min, config.noise_prediction.logsnr_max = -10.0, 13.3
    config.optimizer.schedule = "constant"
    config.train.checkpoint_every = "1 percent"
    config.train.evaluate_every = "5 percent"
    config.train.sample_every = "5 percent"
    config.evaluate.examples = 2000
    {"vdm": vdm, "edm": edm, "dit": dit, "classifier": classifier}[variant](config)
    return config


def vdm(config):
    config.data.batch_size = 128
    config.conditioning.label = False
    config.model.dropout = 0.1

    diffusion = config.noise_prediction
    diffusion.network = "unet"
    diffusion.curve = "learned"
    diffusion.logsnr_min, diffusion.logsnr_max = -5.0, 13.3
    diffusion.steps = 256
    config.unet.channels, config.unet.multipliers, config.unet.blocks = 128, (1,), 32

    config.optimizer.learning_rate = 2e-4
    config.optimizer.weight_decay = 0.01
    config.optimizer.ema = "constant(decay=0.9999)"
    config.train.duration = "10M steps"


def edm(config):
    config.data.batch_size = 512
    config.model.dropout = 0.13

    diffusion = config.noise_prediction
    diffusion.network = "unet"
    diffusion.scaling, diffusion.curve, diffusion.prediction = "ve", "karras", "edm"
    diffusion.data_std = 0.5
    diffusion.weighting, diffusion.time_sampler = "edm", "lognormal_sigma"
    diffusion.logsnr_min, diffusion.logsnr_max = -8.764, 12.429  # sigma from 80 down to 0.002
    diffusion.solver, diffusion.grid, diffusion.steps = "heun", "karras", 17  # 18 points, 35 evaluations
    config.unet.channels, config.unet.multipliers, config.unet.blocks, config.unet.attention = 128, (2, 2, 2), 4, (16,)

    config.optimizer.learning_rate = 1e-3
    config.optimizer.b2 = 0.999
    config.optimizer.weight_decay = 0.0
    config.optimizer.ema = "constant(decay=0.9993)"  # half of it is younger than half a million images
    config.train.duration = "200M examples"


def dit(config):
    config.data.batch_size = 256
    config.model.width, config.model.depth, config.model.heads, config.model.mlp_ratio = 384, 12, 6, 4.0
    config.model.scan_layers = True

    config.noise_prediction.patch_size = 2
    config.noise_prediction.solver = "ddim"
    config.noise_prediction.steps = 250

    config.optimizer.learning_rate = 1e-4
    config.optimizer.b2 = 0.999
    config.optimizer.weight_decay = 0.0
    config.optimizer.ema = "constant(decay=0.9999)"
    config.train.duration = "400k steps"


def classifier(config):
    """The judge of samples (evaluate.py --classifier)."""
    config.objective = "classifier"
    config.model.width, config.model.depth, config.model.dropout = 256, 6, 0.1
    config.optimizer.learning_rate = 5e-4
    config.optimizer.schedule = "cosine"
    config.train.duration = "50 epochs"
