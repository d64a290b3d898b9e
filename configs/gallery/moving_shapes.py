"""Films of a figure that moves and bounces, by both families."""

VARIANTS = ("next_token", "noise_prediction")


def get_config(config, variant):
    config.shows = f"films of a figure that moves and bounces, {variant.replace('_', ' ')}"
    config.medium = "films"
    config.train = f"configs/moving.py:{variant}"
    config.evaluate = "--config.sample.count=256"
    config.sample = "--config.sample.count=10"
    config.figures = (
        "frames that show a figure=figures.samples.frames that show a figure, films that keep it=figures.samples.films that keep it, "
        "films that move as they should=figures.samples.films that move as they should"
    )
    return config
