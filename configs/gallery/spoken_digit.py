"""Spoken digits as asked, by both families and in words, and the classifier that judges them."""

VARIANTS = ("noise_prediction", "next_token", "hybrid", "classifier")


def get_config(config, variant):
    config.shows = f"the spoken digits 0 to 9 as asked, half a second each, {variant.replace('_', ' ')}"
    config.medium = "sound"
    config.needs = "spoken_digit"
    config.train = f"configs/spoken_digit.py:{variant} --config.data.dir=DATA"
    if variant == "classifier":
        config.shows = "what judges the spoken digits; it draws nothing"
        return config
    if variant == "hybrid":
        config.shows = "a digit in the voice that is asked for in words, here 'seven jackson', and others put into words by the same trunk, hybrid"
        config.evaluate = "--describer=said_next_token --config.sample.count=250 --config.sample.guidance_scale=2"
        config.sample = "--prompt='seven jackson' --config.sample.count=10 --config.sample.guidance_scale=2"
        read = {"drawn": "a describer hears in what is drawn for them", "held_out": "it hears in clips", "by_chance": "it hears in others"}
        config.figures = ", ".join(f"words that {what}=read.{part}.words.value" for part, what in read.items())
        return config
    config.evaluate = "--classifier=spoken_digit_classifier --config.sample.count=400 --config.sample.guidance_scale=3"
    config.sample = "--config.sample.count=10 --config.sample.guidance_scale=3"
    config.figures = "classified as asked=judged.samples.as_asked.value"
    return config
