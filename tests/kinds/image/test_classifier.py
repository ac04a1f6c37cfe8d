"""The network that judges images: one seed gives one network, whatever ran before."""

from __future__ import annotations

import torch

from symfind.kinds.image.classifier import Classifier, trained_classifier


def _trained(before: int, epochs: int) -> Classifier:
    torch.manual_seed(before)
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(200).remainder(2)
    images = 0.3 * torch.randn(200, 1, 8, 8, generator=generator)
    images[labels == 1, :, :, 4:] += 1.0
    return trained_classifier(images, labels, 2, generator, epochs)


def test_the_network_depends_on_its_own_generator_alone() -> None:
    x = torch.randn(20, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    first, second = (_trained(before, 2)(x) for before in (1, 2))
    assert torch.equal(first, second)


def test_seeing_images_more_often_fits_them_better() -> None:
    generator = torch.Generator().manual_seed(3)
    x = 0.3 * torch.randn(200, 1, 8, 8, generator=generator)
    x[100:, :, :, 4:] += 1.0
    truth = torch.arange(200).ge(100).long()
    once, often = (torch.nn.functional.cross_entropy(_trained(0, epochs)(x), truth) for epochs in (1, 12))
    assert float(often) < 0.3 < float(once)
