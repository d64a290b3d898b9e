"""Scenes of coloured shapes from their captions, by both families; an oracle reads them back."""

VARIANTS = ("next_token", "noise_prediction")


def get_config(config, variant):
    config.shows = f"scenes of coloured shapes from their captions, here 'a red circle', {variant.replace('_', ' ')}"
    source, steps = {"next_token": ("shapes_codes:s8", 4000), "noise_prediction": ("shapes:s8", 8000)}[variant]
    length = f"--config.train.duration='{steps} steps'"
    config.train = f"configs/shapes.py:{variant} --config.data.source={source} --config.conditioning.text=tokens {length}"
    config.evaluate = "--config.sample.count=500"
    config.sample = "--prompt='a red circle' --config.sample.count=10"
    if variant == "noise_prediction":
        config.evaluate += " --config.sample.guidance_scale=3"
        config.sample += " --config.sample.guidance_scale=3"
    config.figures = "follow their captions=following.rows.all.follow.value, and show nothing but shapes=following.rows.all.strict.value"
    return config
