"""Spoken digits as asked, by both families, and the classifier that judges them."""

VARIANTS = ("noise_prediction", "next_token", "classifier")


def get_config(config, variant):
    config.shows = f"the spoken digits 0 to 9 as asked, half a second each, {variant.replace('_', ' ')}"
    config.medium = "sound"
    config.needs = "spoken_digit"
    config.train = f"configs/spoken_digit.py:{variant} --config.data.dir=DATA"
    if variant == "classifier":
        config.shows = "what judges the spoken digits; it draws nothing"
        return config
    config.evaluate = "--classifier=spoken_digit_classifier --config.sample.count=400 --config.sample.guidance_scale=3"
    config.sample = "--config.sample.count=10 --config.sample.guidance_scale=3"
    config.figures = "classified as asked=judged.samples.accuracy"
    return config
