"""shapes as a set of tensorflow-datasets: `tfds:shapes/s16`, read like any other.

    from genjax.data.shapes.prepare import prepare
    prepare("s16", data_dir)                      # 20,000 training scenes, 1,000 to validate, 1,000 to test

writes a folder of array_record, without TensorFlow. Importing this module makes the name known to TFDS; a prepared folder is found by its name
without that.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from genjax.data.shapes import language, scenes
from genjax.data.shapes.source import open_shapes

SIZES = {"train": 20_000, "validation": 1000, "test": 1000}
_CHUNK = 1000


class ShapesConfig(tfds.core.BuilderConfig):
    """A tier."""


class Shapes(tfds.core.GeneratorBasedBuilder):
    """Captioned scenes of coloured shapes; the rows are those of the data source `shapes:<tier>`, from the first."""

    name = "shapes"
    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012, TFDS reads it by this name
        ShapesConfig(name=name, description=f"{tier.pixels} pixels a side") for name, tier in scenes.TIERS.items()
    ]

    def __init__(self, *, sizes: dict[str, int] | None = None, **options: Any) -> None:
        self.sizes = sizes or SIZES
        super().__init__(**options)

    def _info(self) -> Any:
        tier = scenes.TIERS[self.builder_config.name]
        return tfds.core.DatasetInfo(
            builder=self,
            description="Scenes of coloured shapes with captions, whose entropy is known exactly.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(tier.pixels, tier.pixels, 3)),
                    "codes": tfds.features.Tensor(shape=(tier.patches, tier.patches), dtype=np.uint8),
                    "caption": tfds.features.Text(),
                }
            ),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
        return {split: self._generate_examples(split) for split in self.sizes}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        name = self.builder_config.name
        source = open_shapes(f"{name}/test" if split == "test" else name)
        rows = source.splits["train" if split == "train" else "eval"]
        for start in range(0, self.sizes[split], _CHUNK):
            found = rows.rows(np.arange(start, min(start + _CHUNK, self.sizes[split])))
            for i, (image, codes, caption) in enumerate(zip(found["image"], found["codes"], found["caption"], strict=True)):
                stream = io.BytesIO()  # TFDS needs TensorFlow to encode an array, and none to take encoded bytes
                Image.fromarray(image).save(stream, "png")
                yield start + i, {"image": stream.getvalue(), "codes": codes.astype(np.uint8), "caption": language.to_text(caption)}


def prepare(tier: str, data_dir: str, sizes: dict[str, int] | None = None) -> None:
    """Writes a tier under `data_dir`; `sizes` sets how many rows the splits train, validation and test have."""
    Shapes(config=tier, data_dir=data_dir, file_format="array_record", sizes=sizes).download_and_prepare()
