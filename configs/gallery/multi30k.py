"""English captions into German."""

_TRAIN, _VALID, _TEST = (f"DATA/multi30k/{split}.en.gz,DATA/multi30k/{split}.de.gz" for split in ("train", "val", "test_2016_flickr"))

VARIANTS = ("encoder_decoder", "prefix_lm")


def get_config(config, variant):
    config.shows = f"'A man sits on a bench.' in German, {variant.replace('_', ' ')}"
    config.medium = "text"
    config.needs = "multi30k"
    config.train = f"configs/multi30k.py:{variant} --config.data.source=pairs:{_TRAIN} --config.data.held_out={_VALID}"
    config.evaluate = f"--config.data.held_out={_TEST} --config.sample.length=64"
    config.sample = "--prompt='A man sits on a bench.' --config.sample.length=64 --config.sample.count=1"
    config.figures = "BLEU=answers.scores.the model.bleu"
    return config
