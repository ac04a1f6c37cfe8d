"""F̄(x) = ∫_G ρ_out(g)⁻¹ F(ρ_in(g)x) dg: the Reynolds average of a network, over Haar quadrature.

F̄ is the equivariant map nearest to F in L² of any invariant measure. A finite group is summed exactly; for smooth
activations the error of the quadrature falls exponentially in its degree, for ReLU like a power of it.
"""

# No postponed annotations here: TorchScript reads the types of a class's attributes as they are.

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from symfind.equivariance.equivariance import Equivariance, compact, equivariance_error, transformed
from symfind.equivariance.methods.orbits import Orbit
from symfind.equivariance.settings import SETTINGS
from symfind.lie.groups.haar import HaarQuadrature

# Numbers of one activation held at once: 8 MB of float64, which caches like and memory does not notice.
_NUMBERS_AT_ONCE = 2**20

# Degrees of quadrature that are tried in turn, as far as nodes go; on SO(3) each step costs about twice the one before,
# and the last within 20,000 nodes is 31. Turns of a plane have one node a degree, and kinks want hundreds of them.
DEGREES = (2, 4, 6, 8, 10, 13, 16, 20, 25, 31, 38, 64, 128, 256, 512)

# Nodes of one call in an exported graph, whose loops are written out: few copies of F, and batches that fit.
_NODES_IN_A_GRAPH = 512

# The network is evaluated at every node of a rule: with more than these a call takes seconds for the smallest network.
MOST_NODES = 20_000

# Sampled rules: the error falls like 1/√q, so many more would cost without helping.
SAMPLES = 4096


class AveragedNetwork(nn.Module):
    """F̄(x) = Σ wᵢ ρ_out(gᵢ)⁻¹ F(ρ_in(gᵢ)x) for any module F of independent rows; scriptable if F is.

    Parameters
    ----------
    model
        F: ``(n, *fed_shape)`` → ``(n, …)``.
    task
        Group and representations.
    rule
        Nodes gᵢ and weights wᵢ.
    fed_shape
        Shape of a row as F takes it; that of ``task.input_shape`` when absent.
    rows_at_once
        At most so many rows are put through F in one call.
    """

    weights: Tensor

    def __init__(
        self,
        model: nn.Module,
        task: Equivariance,
        rule: HaarQuadrature,
        fed_shape: tuple[int, ...] | None = None,
        rows_at_once: int = 2**14,
    ) -> None:
        super().__init__()
        self.model = model
        self.orbit = Orbit(task.rep_in, rule.nodes)
        self.inverse = Orbit(task.rep_out, torch.linalg.inv(rule.nodes))
        self.register_buffer("weights", rule.weights.clone())
        self.fed_shape = list(task.input_shape if fed_shape is None else fed_shape)
        self.rows_at_once = rows_at_once
        self.count = len(rule.nodes)

    def forward(self, x: Tensor) -> Tensor:
        """F̄(x): ``(n, *input_shape)`` → ``(n, *output_shape)``."""
        n = x.shape[0]
        flat = x.unsqueeze(-1).flatten(1)
        step = self.nodes_at_once(n)
        total = torch.zeros(0, dtype=x.dtype, device=x.device)
        shape: list[int] = []
        for start in range(0, self.count, step):
            stop = min(self.count, start + step)
            moved = self.orbit(flat, start, stop)
            y = self.model(moved.reshape([n * (stop - start)] + self.fed_shape))
            wide = y.unsqueeze(-1).flatten(1)
            part = self.inverse.sum(wide.reshape(n, stop - start, wide.shape[1]), self.weights, start, stop)
            total = part if start == 0 else total + part
            shape = list(y.shape)[1:]
        return total.reshape([n] + shape)

    def nodes_at_once(self, n: int) -> int:
        """How many nodes are put through F in one call of n rows."""
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return max(1, self.rows_at_once // max(1, n))
        return nodes_in_python(self.rows_at_once, n)


class LiftedNetwork(nn.Module):
    """F̄ with the orbit of the first layer written out: W₁ρ_in(gᵢ) as one layer, the rest of F shared by all nodes.

    The network lifted to the functions on the nodes: no input is moved any more, and all weights are plain.

    Parameters
    ----------
    weight, bias
        Of the first layer, ``(h, D)`` and ``(h,)``.
    rest
        The layers behind it.
    task, rule
        As in :class:`AveragedNetwork`.
    rows_at_once
        At most so many rows are put through the rest in one call.
    """

    weight: Tensor
    bias: Tensor
    weights: Tensor

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        rest: nn.Module,
        task: Equivariance,
        rule: HaarQuadrature,
        rows_at_once: int = 2**14,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", first_layer_orbit(weight, task, rule))
        self.register_buffer("bias", weight.new_zeros(len(weight)) if bias is None else bias.clone())
        self.rest = rest
        self.inverse = Orbit(task.rep_out, torch.linalg.inv(rule.nodes))
        self.register_buffer("weights", rule.weights.clone())
        self.rows_at_once = rows_at_once
        self.count = len(rule.nodes)

    def forward(self, x: Tensor) -> Tensor:
        """F̄(x): ``(n, *input_shape)`` → ``(n, *output_shape)``."""
        n = x.shape[0]
        flat = x.unsqueeze(-1).flatten(1)
        h = self.weight.shape[1]
        step = self.nodes_at_once(n)
        total = torch.zeros(0, dtype=x.dtype, device=x.device)
        shape: list[int] = []
        for start in range(0, self.count, step):
            stop = min(self.count, start + step)
            lifted = flat @ self.weight[start:stop].reshape((stop - start) * h, flat.shape[1]).t()
            y = self.rest(lifted.reshape(n * (stop - start), h) + self.bias)
            wide = y.unsqueeze(-1).flatten(1)
            part = self.inverse.sum(wide.reshape(n, stop - start, wide.shape[1]), self.weights, start, stop)
            total = part if start == 0 else total + part
            shape = list(y.shape)[1:]
        return total.reshape([n] + shape)

    def nodes_at_once(self, n: int) -> int:
        """How many nodes are put through the rest in one call of n rows."""
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return max(1, self.rows_at_once // max(1, n))
        return nodes_in_python(self.rows_at_once, n)


def nodes_in_python(rows: int, n: int) -> int:
    """Nodes in one call; while a graph is exported n is a symbol, and the loop over nodes becomes part of the graph."""
    return _NODES_IN_A_GRAPH if torch.compiler.is_exporting() else max(1, rows // max(1, n))


def first_layer_orbit(weight: Tensor, task: Equivariance, rule: HaarQuadrature) -> Tensor:
    """W₁ρ_in(gᵢ) for all nodes: ``(h, D)`` → ``(q, h, D)``."""
    q, (h, d) = len(rule.nodes), weight.shape
    # Rows of Wρ(g) are ρ(g)ᵀ of rows of W, which is the dual at g⁻¹.
    inverse = torch.linalg.inv(rule.nodes).repeat_interleave(h, 0)
    rows = weight.double().repeat(q, 1)
    return transformed(task.rep_in.dual, inverse, rows).reshape(q, h, d).to(weight.dtype)


def rows_at_once(width: int) -> int:
    """Rows of ``width`` numbers in the widest layer that fit the budget of memory."""
    return max(1, _NUMBERS_AT_ONCE // max(width, 1))


@dataclass(frozen=True)
class ChosenRule:
    """A quadrature and the error that was measured with it.

    Attributes
    ----------
    rule
        Nodes and weights.
    error
        Largest equivariance error on fresh elements.
    reached
        Whether that is below the tolerance.
    """

    rule: HaarQuadrature
    error: float
    reached: bool

    @property
    def description(self) -> str:
        """The rule in words."""
        q = len(self.rule.nodes)
        if not self.rule.exact:
            return f"{q} Haar samples"
        return f"{q} nodes"


def rule_for(
    model: nn.Module,
    task: Equivariance,
    x: Tensor,
    unit: float,
    tolerance: float,
    rng: torch.Generator,
    *,
    fed_shape: tuple[int, ...] | None = None,
    rows: int = 2**14,
    max_nodes: int = MOST_NODES,
) -> ChosenRule:
    """The smallest quadrature of the group whose measured equivariance error is below ``tolerance``.

    Parameters
    ----------
    model
        F, in the dtype of x.
    task
        A compact group and the representations.
    x
        Rows on which the error is measured; a few dozen serve.
    unit
        What errors are divided by.
    tolerance
        To be reached by the largest error over 24 fresh elements.
    rng
        Of the elements, and of the nodes where there is no exact rule.
    fed_shape, rows
        As in :class:`AveragedNetwork`.
    max_nodes
        More are never used: the network is evaluated at every one.

    Raises
    ------
    UsageError
        For a group that is not compact.
    """
    group = compact(task.group, "average")
    elements = group.sample(24, rng)
    best: ChosenRule | None = None
    seen: list[tuple[int, float]] = []
    count = group.node_count
    degrees = [d for d in DEGREES if count is None or count(d) <= max_nodes] or [DEGREES[0]]
    for degree in [0] if group.is_finite else degrees:
        rule = group.haar(degree, rng, max_nodes)
        if not rule.exact and best is not None:
            break  # an exact rule of lower degree is there, and samples are no match for it
        if not rule.exact:
            rule = group.haar(degree, rng, min(SAMPLES, max_nodes))
        averaged = AveragedNetwork(model, task, rule, fed_shape, rows)
        with torch.no_grad():
            error = equivariance_error(averaged, task, x, elements, unit).largest
        found = ChosenRule(rule, error, error <= SETTINGS.margin * tolerance)
        if best is None or error < best.error:
            best = found
        seen.append((degree, max(error, 1e-300)))
        if found.reached or not rule.exact or _hopeless(seen, SETTINGS.margin * tolerance, degrees[-1]):
            break
    assert best is not None
    return best


def _hopeless(seen: list[tuple[int, float]], tolerance: float, last: int) -> bool:
    """Whether the error falls too slowly to reach the tolerance at the last degree: activations with kinks.

    Judged from the last three degrees once quadratures of a few hundred nodes have been tried, for the rate at which
    smooth activations converge shows late.
    """
    if len(seen) < 5:
        return False
    (low, before), (high, now) = seen[-3], seen[-1]
    rate = (math.log(now) - math.log(before)) / (high - low)
    return math.log(now) + rate * (last - high) > math.log(tolerance)
