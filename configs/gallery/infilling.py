"""Gaps in code, filled in by both families."""

VARIANTS = ("next_token", "masked_diffusion")


def get_config(config, variant):
    config.shows = f"what stands between 'for i in range(' and '):', {variant.replace('_', ' ')}"
    config.medium = "text"
    config.train = f"configs/infilling.py:{variant}"
    config.evaluate = "--gap=8 --config.sample.count=512"
    config.sample = "--prompt='for i in range(' --suffix='):' --config.sample.length=8 --config.sample.count=1"
    config.figures = "bits a byte of gaps of 8=infilling.bits_per_byte.value, filled in to the letter=infilling.exact_match.value"
    if variant == "next_token":  # the other is not asked in both ways, and is told how long a gap is
        config.figures += ", given what is before alone=infilling.bits_per_byte_before.value, bits to tell where it ends=infilling.bits_of_end"
    return config
