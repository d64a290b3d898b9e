"""C34: U-Net or transformer?

python scripts/claims.py --name=c34_network
"""


def get_config(config, variant):
    config.number = "C34"
    config.aspect = "the network of the denoiser"
    config.statement = "A diffusion model denoises with a U-Net or a transformer."
    config.hypothesis = (
        "The network changes less than the objective does: at equal training compute a U-Net comes within 0.2 bits a value of the trunk."
    )
    config.if_supported = "So: the network matters little."
    config.if_refuted = "The network matters."
    config.confounds = "Operations are equal, parameters are not; a U-Net of another shape may do better."
    config.compare = "configs/compare/digits_networks.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "unet"
    config.second = "trunk"
    config.metric = "bound_per_dim"
    config.seeds = 5
    config.direction = "equal"
    config.margin = 0.2
    return config
