"""Tiny Shakespeare, character by character, and by masked diffusion."""

VARIANTS = ("next_token", "masked_diffusion")


def get_config(config, variant):
    config.shows = f"a text that goes on from 'ROMEO:', {variant.replace('_', ' ')}"
    config.medium = "text"
    config.needs = "tiny_shakespeare"
    config.train = f"configs/shakespeare.py:{variant} --config.data.source=text:DATA/tiny_shakespeare/input.txt"
    config.sample = "--prompt=ROMEO: --config.sample.length=220 --config.sample.count=1"
    return config
