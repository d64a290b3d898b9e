"""Films of handwritten digits that move and bounce."""

VARIANTS = ("noise_prediction",)


def get_config(config, variant):
    config.shows = "films of a handwritten digit that moves and bounces, noise prediction"
    config.medium = "films"
    config.train = f"configs/moving.py:{variant} --config.data.source=moving:digits --config.train.duration='3600 steps'"
    config.train += " --config.noise_prediction.patch_size=1,6,6 --config.noise_prediction.head=odds"
    config.evaluate = "--config.sample.count=256"
    config.sample = "--config.sample.count=10"
    told = ("likeness of the last frame to the first", "films that end as they began")
    config.figures = ", ".join(f"{figure}=figures.samples.{figure}" for figure in told)
    return config
