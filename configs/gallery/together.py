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
        config.evaluate = "--config.sample.count=256"
        config.sample = "--prompt='seven jackson sideways' --config.sample.count=6 --config.sample.guidance_scale=2"
        config.figures = (
            "words of sounds that are heard=described.spoken_digit.words.value, words of films that are read=described.moving:digits.words.value"
        )
    else:
        config.evaluate = "--redraw=moving:digits --config.sample.count=256 --config.sample.guidance_scale=2"
        config.sample = "--image=held_out --redraw=moving:digits --config.sample.count=6 --config.sample.guidance_scale=2"
        config.figures = "words that it reads in the films that it draws of sounds=redrawn.described.words.value"
    return config
