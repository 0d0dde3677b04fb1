"""``python -m models.recipe.export``: the checkpoint as a float32 SavedModel, to quantise from.

Its input is what `conversion.normalise` makes: (pixel - 128) / 128.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from models.recipe import training
from models.recipe.__main__ import FOLDER

NAME = "edged-cifar10"
CLASSES = 10


def main() -> None:
    """Write ``RUN/edged-cifar10``."""
    parser = argparse.ArgumentParser(prog="python -m models.recipe.export", description=__doc__)
    parser.add_argument("--run", type=Path, default=FOLDER / "run", help="folder of the checkpoint")
    run = parser.parse_args().run
    if not (run / training.CHECKPOINT).exists():
        parser.error(f"{run / training.CHECKPOINT} is not there; train first, or name --run")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    from models.recipe import conversion

    trained = training.load(training.Settings(epochs=1), CLASSES, run)
    graph = conversion.Graph(trained.network.cpu().eval())
    signature = graph.__call__.get_concrete_function()
    tf.saved_model.save(graph, str(run / NAME), signatures=signature)
    print(run / NAME)


if __name__ == "__main__":
    main()
