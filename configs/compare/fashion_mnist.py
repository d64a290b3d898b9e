"""Fashion-MNIST by noise prediction: what bits and samples gain from training, and samples from evaluations of the network.

  python scripts/train.py --config=configs/fashion_mnist.py:classifier --workdir=runs/fashion_judge --config.data.dir=PREPARED
  python scripts/compare.py --config=configs/compare/fashion_mnist.py --workdir=runs/fashion --config.data.dir=PREPARED
  python scripts/frontier.py --config=configs/compare/fashion_mnist.py --workdir=runs/fashion --config.data.dir=PREPARED \
    --classifier=runs/fashion_judge --samples=1000
"""


def get_config(config, variant):
    config.title = "Fashion-MNIST: what training and evaluations buy"
    config.question = "How do bits and samples of one noise-prediction model improve with training, and samples with evaluations of the network?"
    config.arms = {"noise_prediction": "configs/fashion_mnist.py:noise_prediction"}
    config.reference = "noise_prediction"
    config.frontier = {
        "noise_prediction": [
            "noise_prediction.solver=ddim,dpmpp_2m,ddpm noise_prediction.steps=5,10,20,40",
            "step=600,1200,1800,2400 noise_prediction.solver=dpmpp_2m noise_prediction.steps=20",
        ],
    }
    return config
