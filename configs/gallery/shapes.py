"""Scenes of coloured shapes from their captions, by both families; an oracle reads them back."""

VARIANTS = ("next_token", "noise_prediction", "codes")
# The recipe's variant: what is shown, the data, and how long.
TRAINED = {
    "next_token": ("next token", "shapes_codes:s8", 4000),
    "noise_prediction": ("noise prediction", "shapes:s8", 6000),
    "codes": ("noise prediction of codes", "shapes_codes:s8", 8000),
}


def get_config(config, variant):
    what, source, steps = TRAINED[variant]
    config.shows = f"scenes of coloured shapes from their captions, here 'a red circle', {what}"
    length = f"--config.train.duration='{steps} steps'"
    config.train = f"configs/shapes.py:{variant} --config.data.source={source} --config.conditioning.text=tokens {length}"
    config.evaluate = "--config.sample.count=500"
    config.sample = "--prompt='a red circle' --config.sample.count=10"
    if variant == "noise_prediction":  # a quarter of a scene a position: there are few of them, of all that its 48 numbers could be
        config.train += " --config.noise_prediction.patch_size=4 --config.noise_prediction.prediction=x0 --config.model.width=128"
    if variant != "next_token":
        config.evaluate += " --config.sample.guidance_scale=3"
        config.sample += " --config.sample.guidance_scale=3"
    config.figures = "follow their captions=following.rows.all.follow.value, and show nothing but shapes=following.rows.all.strict.value"
    return config
