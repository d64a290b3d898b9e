"""Scenes of coloured shapes from their captions, by both families; an oracle reads them back."""

VARIANTS = ("next_token", "noise_prediction")


def get_config(config, variant):
    config.shows = f"scenes of coloured shapes from their captions, here 'a red circle', {variant.replace('_', ' ')}"
    config.train = f"configs/shapes.py:{variant} --config.conditioning.text=tokens"
    config.evaluate = "--config.sample.count=500"
    config.sample = "--prompt='a red circle' --config.sample.count=10"
    config.figures = "follow their captions=following.rows.all.follow.value"
    return config
