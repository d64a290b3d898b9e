"""Films of handwritten digits that move and bounce."""

VARIANTS = ("noise_prediction",)


def get_config(config, variant):
    config.shows = "films of a handwritten digit that moves and bounces, noise prediction"
    config.medium = "films"
    config.train = f"configs/moving.py:{variant} --config.data.source=moving:digits --config.noise_prediction.patch_size=1,6,6"
    config.sample = "--config.sample.count=10"
    return config
