"""Code, byte by byte."""

VARIANTS = ("next_token",)


def get_config(config, variant):
    config.shows = "code that goes on from 'def read(self, size=-1):'"
    config.medium = "text"
    config.train = f"configs/python_stdlib.py:{variant}"
    config.sample = "--prompt='def read(self, size=-1):' --config.sample.length=220 --config.sample.count=1"
    return config
