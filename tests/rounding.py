"""k · eps · condition: what rounding can make of a number that is exact in mathematics, on any processor."""

import math

import torch


def rounding(
    condition: float = 1.0, terms: int = 1, factor: float = 100.0, dtype: torch.dtype = torch.float64
) -> float:
    """factor · √terms · eps · condition, a bound on the error of a result of size one.

    Parameters
    ----------
    condition
        By how much a relative error of the inputs grows on the way: 1 for sums of like signs and products, ‖A‖‖A⁻¹‖ for
        a solution, its square for normal equations, 1/h for a difference over a step h; times the size of the result.
    terms
        Of the longest sum: errors of n terms add up as √n, in whichever order a processor takes them.
    factor
        Operations one after another, and how unlucky they may be. On one machine the error is below 1 to 10; other
        processors were seen to multiply that by ten.
    """
    return factor * math.sqrt(terms) * torch.finfo(dtype).eps * condition
