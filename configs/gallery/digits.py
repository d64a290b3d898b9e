"""Handwritten digits, class by class, by both families."""

VARIANTS = ("next_token", "noise_prediction")


def get_config(config, variant):
    config.shows = f"handwritten digits 0 to 9 as asked, {variant.replace('_', ' ')}"
    config.train = f"configs/digits.py:{variant}"
    config.sample = "--config.sample.count=10"
    return config
