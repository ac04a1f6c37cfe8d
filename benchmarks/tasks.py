"""The tasks and the table of architectures of docs/checkpoints-real.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.networks import (
    Attention,
    Convolutions,
    Dense,
    Einsum,
    Fourier,
    Gated,
    Hourglass,
    InPlace,
    Messages,
    Of,
    Patches,
    Recurrent,
    Residual,
    Sets,
    Skipping,
    Squeezed,
    distances,
    excited,
    experts,
    inverted,
    learned_query,
    mixer,
    normed_weights,
    one_head,
    places,
    plain,
    points,
    read_out,
    recurrent_features,
    ring,
    vectors_attending,
)


@dataclass(frozen=True)
class Task:
    """What a network learns: rows, a function of them that a group leaves alone, and that group.

    Attributes
    ----------
    shape
        Of one row.
    target
        F on rows.
    group, rep_in
        The group and its action on a row.
    said
        In words, for the document.
    """

    shape: tuple[int, ...]
    target: Callable[[Tensor], Tensor]
    group: str
    rep_in: str
    said: str


PLANE = Task((6,), lambda x: points(x).sum(1).square().sum(1) / 6, "so2", "3V", "three points turned")
OBJECTS = Task((6,), lambda x: points(x).sum(1).square().sum(1) / 6, "s3", "V⊗2", "three points in any order")
IMAGE = Task(
    (1, 6, 6), lambda x: x[:, :, 1:-1, 1:-1].square().sum((1, 2, 3)) / 4, "c4", "image(6,6)", "images by quarter turns"
)
ROLLS = Task((2, 6), lambda x: (x * x.roll(1, 2)).sum((1, 2)) / 3, "z6", "2⊗V", "two channels on a ring of six")
FEATURES = Task((4, 3), lambda x: x.sum(2).square().sum(1) / 6, "s3", "4⊗V", "three features at four times")
VOLUME = Task((1, 4, 4, 4), lambda x: x.square().sum((1, 2, 3, 4)) / 8, "z4", "16⊗V", "volumes rolled along an axis")


@dataclass(frozen=True)
class Architecture:
    """A network and its task."""

    name: str
    make: Callable[[], nn.Module]
    task: Task = OBJECTS


# fmt: off
ARCHITECTURES = (
    Architecture("perceptron, tanh", lambda: plain(nn.Tanh(), nn.Linear(16, 16), nn.Tanh())),
    Architecture("perceptron, of turns", lambda: plain(nn.Tanh(), nn.Linear(16, 16), nn.Tanh()), PLANE),
    Architecture("perceptron, ReLU", lambda: plain(nn.ReLU(), nn.Linear(16, 16), nn.ReLU())),
    Architecture("BatchNorm and dropout", lambda: plain(nn.BatchNorm1d(16), nn.SiLU(), nn.Dropout(0.1))),
    Architecture("LayerNorm", lambda: plain(nn.LayerNorm(16), nn.GELU())),
    Architecture("residual, LayerNorm", lambda: Residual(nn.LayerNorm)),
    Architecture("residual, BatchNorm", lambda: Residual(nn.BatchNorm1d)),
    Architecture("dense skips (cat)", Dense),
    Architecture("gated product", Gated),
    Architecture("transformer encoder", Attention),
    Architecture("GRU", lambda: Recurrent(nn.GRU)),
    Architecture("LSTM", lambda: Recurrent(nn.LSTM)),
    Architecture("DeepSets, view(-1, 2)", Sets),
    Architecture("message passing", Messages),
    Architecture("einsum", Einsum),
    Architecture("in-place operations", InPlace),
    Architecture("output without axis", Squeezed),
    Architecture("Fourier features", Fourier),
    Architecture("Conv2d, ReLU", lambda: Convolutions(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU()), IMAGE),
    Architecture("Conv2d, stride 2", lambda: Convolutions(nn.Conv2d(1, 8, 2, stride=2), nn.Tanh()), IMAGE),
    Architecture("max pooling", lambda: Convolutions(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2)), IMAGE),
    Architecture("GroupNorm", lambda: Convolutions(nn.Conv2d(1, 8, 3), nn.GroupNorm(2, 8), nn.Mish()), IMAGE),
    Architecture(
        "depthwise convolution", lambda: Convolutions(nn.Conv2d(1, 8, 1), nn.Conv2d(8, 8, 3, groups=8)), IMAGE
    ),
    Architecture("residual of convolutions", Skipping, IMAGE),
    Architecture("U-Net", Hourglass, IMAGE),
    Architecture("vision transformer", Patches, IMAGE),
    Architecture("gated linear unit", lambda: nn.Sequential(nn.Linear(6, 32), nn.GLU(), nn.Linear(16, 1))),
    Architecture("RMSNorm", lambda: plain(nn.RMSNorm(16), nn.SiLU())),
    Architecture("PReLU", lambda: plain(nn.PReLU(16))),
    Architecture("weight normalisation", normed_weights),
    Architecture("mixture of experts", experts),
    Architecture(
        "bilinear layer", lambda: Of(lambda m, x: m.o(torch.tanh(m.b(x, x))), b=nn.Bilinear(6, 6, 9), o=nn.Linear(9, 1))
    ),
    Architecture(
        "polynomial features", lambda: Of(lambda m, x: m.o(torch.cat([x, x.square(), x.pow(3)], 1)), o=nn.Linear(18, 1))
    ),
    Architecture("attention, one head", one_head),
    Architecture("attention, several heads, places", places),
    Architecture("attention with a learned query", learned_query),
    Architecture("attention of vectors, of turns", vectors_attending, PLANE),
    Architecture(
        "PointNet (maximum)",
        lambda: Of(lambda m, x: m.o(torch.relu(m.a(points(x))).amax(1)), a=nn.Linear(2, 16), o=nn.Linear(16, 1)),
    ),
    Architecture(
        "attention pooling",
        lambda: Of(
            lambda m, x: m.o((torch.softmax(m.s(points(x)), 1) * m.a(points(x)).tanh()).sum(1)),
            s=nn.Linear(2, 1),
            a=nn.Linear(2, 16),
            o=nn.Linear(16, 1),
        ),
    ),
    Architecture("messages of distances, of turns", distances, PLANE),
    Architecture("MLP-Mixer", mixer),
    Architecture(
        "sorted points",
        lambda: Of(lambda m, x: m.o(torch.tanh(m.a(x.sort(1)[0]))), a=nn.Linear(6, 16), o=nn.Linear(16, 1)),
    ),
    Architecture("Elman RNN on features", lambda: recurrent_features(nn.RNN), FEATURES),
    Architecture("GRU on features", lambda: recurrent_features(nn.GRU), FEATURES),
    Architecture("LSTM on features", lambda: recurrent_features(nn.LSTM), FEATURES),
    Architecture(
        "Conv1d, ring", lambda: ring(nn.Conv1d(2, 8, 3, padding=1, padding_mode="circular"), nn.ReLU()), ROLLS
    ),
    Architecture("Conv1d, zeros at the ends", lambda: ring(nn.Conv1d(2, 8, 3, padding=1), nn.ReLU()), ROLLS),
    Architecture(
        "Conv1d, stride 2, ring", lambda: ring(nn.Conv1d(2, 8, 2, stride=2, padding_mode="circular"), nn.Tanh()), ROLLS
    ),
    Architecture(
        "perceptron on a ring",
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 18), nn.ReLU(), nn.Linear(18, 1)),
        ROLLS,
    ),
    Architecture(
        "Conv3d, ring",
        lambda: nn.Sequential(
            nn.Conv3d(1, 4, 3, padding=1, padding_mode="circular"),
            nn.SiLU(),
            nn.AdaptiveAvgPool3d(1),
            nn.Flatten(),
            nn.Linear(4, 1),
        ),
        VOLUME,
    ),
    Architecture("average pooling", lambda: read_out(nn.Conv2d(1, 8, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2)), IMAGE),
    Architecture(
        "InstanceNorm",
        lambda: read_out(nn.Conv2d(1, 8, 3, padding=1), nn.InstanceNorm2d(8, affine=True), nn.ELU()),
        IMAGE,
    ),
    Architecture(
        "convolution, flat read-out",
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(144, 1)),
        IMAGE,
    ),
    Architecture("squeeze and excitation", excited, IMAGE),
    Architecture("inverted residual", inverted, IMAGE),
    Architecture(
        "upsampling", lambda: read_out(nn.Conv2d(1, 8, 2, stride=2), nn.Upsample(scale_factor=2), nn.SiLU()), IMAGE
    ),
)
# fmt: on
