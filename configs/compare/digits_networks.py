"""Handwritten digits by noise prediction with a U-Net and with the trunk.

python scripts/compare.py --config=configs/compare/digits_networks.py --workdir=runs/networks
"""


def get_config(config, variant):
    config.title = "Handwritten digits: U-Net or transformer?"
    config.question = "The same process, bound, data and training compute: does the network of the denoiser decide?"
    unet = "--config.noise_prediction.network=unet --config.unet.channels=16 --config.unet.multipliers=1,2 --config.unet.blocks=1"
    config.arms = {"trunk": "configs/digits.py:noise_prediction", "unet": f"configs/digits.py:noise_prediction {unet}"}
    config.reference = "trunk"
    config.varies = "noise_prediction.network, unet, parameters, trunk_parameters, examples, supervised_targets"
    return config
