"""x ↦ (ρ(g₁)x, …, ρ(g_q)x), and back: a representation at fixed elements as a scriptable module.

Axis letters: n points, q elements, D width, k copies of a block of size d.
"""

# No postponed annotations here: TorchScript reads the types of a class's attributes as they are.

import torch
from torch import Tensor, nn

from symfind.equivariance.equivariance import kinds, permutation_of
from symfind.errors import UsageError
from symfind.lie.groups.representations import Representation, of_word

# Dense matrices at all nodes beyond this are 1 GB of float64; sums of one repeated block never come near.
_MOST_NUMBERS = 2**27


class Orbit(nn.Module):
    """ρ at q elements: D numbers ↦ q × D numbers.

    Parameters
    ----------
    rep
        ρ, of dimension D.
    elements
        ``(q, d, d)``.

    Raises
    ------
    UsageError
        If ρ is a large sum of different summands, whose matrices at all elements would not fit into memory.
    """

    matrices: Tensor
    index: Tensor
    order: Tensor
    back: Tensor

    def __init__(self, rep: Representation, elements: Tensor) -> None:
        super().__init__()
        q = len(elements)
        self.count = q
        # Plain flags: TorchScript sees no constants of the module around the class.
        self.trivial, self.permuting = rep.is_trivial, False
        matrices = torch.zeros(1, 1, 1, dtype=torch.float64)
        index = torch.zeros(1, 1, dtype=torch.int64)
        places = torch.arange(rep.dim)[None]
        found = kinds(rep)
        sigmas = [permutation_of(word, rep.group, elements) for word, _ in found]
        if not rep.is_trivial and all(s is not None for s in sigmas):
            self.permuting = True
            index = torch.empty(q, rep.dim, dtype=torch.int64)
            for (_, where), sigma in zip(found, sigmas, strict=True):
                assert sigma is not None
                target = where[:, sigma].transpose(0, 1).flatten(1)
                index.scatter_(1, target, where.flatten().expand(q, -1))
        elif not rep.is_trivial:
            if len(found) == 1:
                matrices, places = of_word(rep.group, found[0][0]).rho(elements), found[0][1]
            elif q * rep.dim**2 <= _MOST_NUMBERS:
                matrices = rep.rho(elements)
            else:
                raise UsageError(
                    f"{rep} at {q} elements needs {q} matrices {rep.dim} x {rep.dim}; use --method frames, or a "
                    "representation of equal summands"
                )
        self.register_buffer("matrices", matrices.contiguous())
        self.register_buffer("index", index)
        self.register_buffer("order", places.flatten())
        self.register_buffer("back", torch.argsort(places.flatten()))

    def forward(self, x: Tensor, start: int, stop: int) -> Tensor:
        """ρ(gᵢ)x for start ≤ i < stop: ``(n, D)`` → ``(n, stop − start, D)``."""
        n, count = x.shape[0], stop - start
        if self.trivial:
            return x.unsqueeze(1).expand(n, count, x.shape[1])
        if self.permuting:
            return x.index_select(1, self.index[start:stop].reshape(-1)).reshape(n, count, x.shape[1])
        d = self.matrices.shape[2]
        stacked = self.matrices[start:stop].to(x.dtype).reshape(count * d, d)
        moved = x.index_select(1, self.order).reshape(-1, d) @ stacked.t()  # (n k, count d)
        moved = moved.reshape(n, x.shape[1] // d, count, d).transpose(1, 2).reshape(n, count, x.shape[1])
        return moved.index_select(2, self.back)

    def sum(self, y: Tensor, weights: Tensor, start: int, stop: int) -> Tensor:
        """Σ wᵢ ρ(gᵢ)yᵢ for start ≤ i < stop: ``(n, stop − start, D)`` and ``(q,)`` → ``(n, D)``."""
        n, count = y.shape[0], stop - start
        w = weights[start:stop].to(y.dtype)
        if self.trivial:
            return (y * w.reshape(1, count, 1)).sum(1)
        if self.permuting:
            moved = y.gather(2, self.index[start:stop].unsqueeze(0).expand(n, count, y.shape[2]))
            return (moved * w.reshape(1, count, 1)).sum(1)
        d = self.matrices.shape[2]
        stacked = (self.matrices[start:stop].to(y.dtype) * w.reshape(count, 1, 1)).transpose(1, 2).reshape(count * d, d)
        blocks = y.index_select(2, self.order).reshape(n, count, y.shape[2] // d, d)
        parts = blocks.transpose(1, 2).reshape(-1, count * d)
        return (parts @ stacked).reshape(n, y.shape[2]).index_select(1, self.back)
