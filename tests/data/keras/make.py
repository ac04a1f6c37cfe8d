"""Two small Keras files with random weights, and what Keras itself answers on fixed inputs.

Run in an environment of its own (``pip install keras torch h5py``); the files beside this script were made with
Keras 3.15.1 on torch 2.13.0, in float32:

    KERAS_BACKEND=torch python tests/data/keras/make.py
"""

import json
from pathlib import Path

import keras
import numpy as np

HERE = Path(__file__).parent


def save(name: str, model: "keras.Sequential", x: np.ndarray) -> None:
    """Write NAME.h5 and NAME.json with x and what Keras computes from it, biases and weights being random."""
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape, scale=0.4) for w in model.get_weights()])
    model.save(HERE / f"{name}.h5")
    answer = np.asarray(model(x.astype(np.float32), training=False).detach())
    text = json.dumps({"x": x.astype(np.float32).tolist(), "y": answer.tolist()})
    (HERE / f"{name}.json").write_text(text + "\n")


def main() -> None:
    """Write both models."""
    rng = np.random.default_rng(1)
    layers = keras.layers
    dense = keras.Sequential(
        [
            layers.Input((3,)),
            layers.Dense(5, activation="gelu"),
            layers.LeakyReLU(0.1),
            layers.Dropout(0.5),
            layers.Dense(4, activation="silu", use_bias=False),
            layers.Activation("softplus"),
            layers.Dense(2),
        ]
    )
    save("dense", dense, rng.normal(size=(4, 3)))
    convolution = keras.Sequential(
        [
            layers.Input((7, 6, 2)),
            layers.Conv2D(4, (3, 2), strides=(2, 2), padding="same", activation="tanh"),
            layers.Conv2D(3, 2, padding="valid", activation="softmax"),
            layers.ReLU(max_value=0.5),
            layers.Flatten(),
            layers.ELU(0.7),
            layers.Dense(3, activation="hard_sigmoid"),
        ]
    )
    save("conv2d", convolution, rng.normal(size=(4, 7, 6, 2)))


if __name__ == "__main__":
    main()
