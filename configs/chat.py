"""Chat with instruction data: the 175 seed tasks of self-instruct, or any file of messages; the loss is on what the assistant says.

  python scripts/train.py --config=configs/chat.py --workdir=runs/chat
  python scripts/sample.py --workdir=runs/chat --chat
  python scripts/train.py --config=configs/chat.py --workdir=runs/mine --config.data.source=pairs:messages.jsonl

The length of training is a guess: nothing has been measured.
"""


def get_config(config, variant):
    config.objective = "next_token"
    config.data.source = "pairs:../shared/data/sources/self_instruct_seed/seed_tasks.jsonl"
    config.data.tokenizer = "bpe(vocab=1024)"
    config.data.length = 2432
    config.data.batch_size = 1
    config.data.eval_batch_size = 4

    config.model.width = 128
    config.model.depth = 3
    config.model.tied_head = True
    config.optimizer.name = "muon"
    config.optimizer.learning_rate = 2e-2
    config.optimizer.adam_learning_rate = 4e-3
    config.optimizer.ema = "constant(decay=0.9)"
    config.optimizer.warmup = "10 steps"
    config.train.duration = "40 steps"
    config.train.log_every = "20 steps"
    config.train.evaluate_every = config.train.sample_every = config.train.checkpoint_every = "100 percent"
    config.evaluate.examples = None
    config.sample.count = 4
    config.sample.length = 64
    return config
