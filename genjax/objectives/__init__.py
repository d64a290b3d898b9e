"""What can be learned: one line an objective."""

from __future__ import annotations

from typing import Any

from genjax.config import require
from genjax.objectives.autoencoder import Autoencoder
from genjax.objectives.base import Objective
from genjax.objectives.classifier import Classifier
from genjax.objectives.consistency import Consistency
from genjax.objectives.embedding_diffusion import EmbeddingDiffusion
from genjax.objectives.hybrid import Hybrid
from genjax.objectives.masked_diffusion import MaskedDiffusion
from genjax.objectives.mean_flow import MeanFlow
from genjax.objectives.next_token import NextToken
from genjax.objectives.noise_prediction import NoisePrediction
from genjax.types import DataSpec

OBJECTIVES: dict[str, type[Objective]] = {
    "next_token": NextToken,
    "noise_prediction": NoisePrediction,
    "masked_diffusion": MaskedDiffusion,
    "embedding_diffusion": EmbeddingDiffusion,
    "consistency": Consistency,
    "mean_flow": MeanFlow,
    "hybrid": Hybrid,
    "classifier": Classifier,
    "autoencoder": Autoencoder,
}

SEVERAL = ("hybrid",)  # those that learn rows of several arrays


def build(config: Any, spec: DataSpec) -> Objective:
    """The objective that a config names, for data like `spec`; UsageError where it cannot learn them."""
    require(
        not spec.parts or config.objective in SEVERAL,
        f"objective={config.objective} learns one array a row, and {spec.name} has several: set objective={' or '.join(SEVERAL)}",
    )
    return OBJECTIVES[config.objective].build(config, spec)
