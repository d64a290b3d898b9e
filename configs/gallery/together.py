"""Words, sound and film by one trunk: what is said is sounded and shown, and what is heard is put into words and shown."""

VARIANTS = ("said", "heard")


def get_config(config, variant):
    config.shows = {
        "said": "the digits as asked, here 'seven jackson sideways', sounded and shown by one trunk for words, sounds and films, hybrid",
        "heard": "held-out spoken digits, heard, put into words, and shown as films by the same trunk: above what is, below what it draws, hybrid",
    }[variant]
    config.medium = "sound"
    config.needs = "spoken_digit"
    config.train = "configs/together.py:hybrid --config.data.dir=DATA"
    if variant == "said":
        config.evaluate = "--config.sample.count=256 --config.sample.guidance_scale=2"
        config.sample = "--prompt='seven jackson sideways' --config.sample.count=6 --config.sample.guidance_scale=2"
        config.figures = ", ".join(
            f"{what} {how}=described.{part}{drawn}.words.value"
            for drawn, how in (("", "that are read in held-out ones"), (" drawn", "that it reads in its own"))
            for what, part in (("words of sounds", "spoken_digit"), ("words of films", "moving:digits"))
        )
    else:
        config.evaluate = "--redraw=moving:digits --config.sample.count=256 --config.sample.guidance_scale=2"
        config.sample = "--image=held_out --redraw=moving:digits --config.sample.count=6 --config.sample.guidance_scale=2"
        config.figures = "digits that it reads in the films that it draws of sounds=redrawn.described.words.value"
    return config
