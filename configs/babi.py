"""Questions about little stories (bAbI's task 1, one supporting fact): the answer is in the last statement about the one who is asked for.

python scripts/train.py --config=configs/babi.py --workdir=runs/babi
python scripts/evaluate.py --workdir=runs/babi --config.data.held_out=../shared/data/sources/babi_qa1/qa1_single-supporting-fact_test.txt.gz
python scripts/sample.py --workdir=runs/babi --chat
"""

_FOLDER = "../shared/data/sources/babi_qa1"


def get_config(config, variant):
    config.objective = "next_token"
    config.data.source = f"pairs:{_FOLDER}/qa1_single-supporting-fact_train.txt.gz"
    config.data.tokenizer = "bpe(vocab=512)"
    config.data.length = 128
    config.data.batch_size = 32

    config.model.width = 32
    config.model.depth = 2
    config.model.heads = 2
    config.model.tied_head = True
    config.optimizer.name = "muon"
    config.optimizer.learning_rate = 1e-2
    config.optimizer.adam_learning_rate = 3e-3
    config.optimizer.ema = "constant(decay=0.99)"
    config.optimizer.warmup = "50 steps"
    config.train.duration = "2400 steps"
    config.train.log_every = "200 steps"
    config.train.evaluate_every = config.train.sample_every = config.train.checkpoint_every = "100 percent"
    config.evaluate.examples = None
    config.sample.length = 8
    config.next_token.temperature = 0.0
    return config
