"""W ↦ the nearest W̄ with ρ_out(g)W̄ = W̄ρ_in(g), layer by layer: the orthogonal projection onto Hom_G.

A bias goes to the invariants of the layer's output. A convolution is the linear map of a patch to its channels, so that
its kernel lies in Hom(channels ⊗ patch, channels′), where the group turns the patch. For compact G and orthogonal
representations the projection is the Reynolds average ∫ρ_out(g)⁻¹Wρ_in(g)dg.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from symfind.equivariance.equivariance import Equivariance, transformed
from symfind.equivariance.methods.hidden import commutes, given_hidden, hidden_candidates
from symfind.errors import UsageError
from symfind.lie.groups.intertwiners import HomSpace, intertwiners, invariants
from symfind.lie.groups.notation import parse_representation
from symfind.lie.groups.representations import Representation, trivial, word_dimension
from symfind.models.modules import plain_module
from symfind.models.network import Activation, Layer, Rearrangement, Step
from symfind.models.sequential import shape_after

_F64 = torch.float64

_PLAINLY = 0.9

# A convolution whose stride or padding is not symmetric misses by order one; rounding is below 1e-13.
_LAYER_DEFECT = 1e-8


@dataclass(frozen=True, eq=False)
class ProjectedLayer:
    """One layer before and after.

    Attributes
    ----------
    before, after
        The layer; weights of ``after`` in float64.
    space
        Hom(ρ_in, ρ_out) of the weight as a matrix; of (W, b) on (x, 1) where ρ_in acts on (x, 1).
    bias_space
        Invariants of ρ_out; None without a bias, or where ``space`` holds it.
    hidden
        How ρ_out was chosen.
    """

    before: Layer
    after: Layer
    space: HomSpace
    bias_space: HomSpace | None
    hidden: str

    @property
    def moved(self) -> float:
        """‖(W̄, b̄) − (W, b)‖ / ‖(W, b)‖."""
        return _distance(self.before, self.after)

    @property
    def coefficients(self) -> Tensor:
        """Of the projected weight in the orthonormal basis of ``space``."""
        return self.space.coefficients(_matrix(self.after, self.space.source.dim))

    @property
    def vanishes(self) -> bool:
        """Whether nothing of the weight is left."""
        # Rounding of a projection to zero.
        return float(self.after.weight.norm()) <= 1e-12 * float(self.before.weight.double().norm())


@dataclass(frozen=True, eq=False)
class Projection:
    """A projected network.

    Attributes
    ----------
    steps
        Execution order, projected layers in float64.
    layers
        Its layers.
    """

    steps: tuple[Step, ...]
    layers: tuple[ProjectedLayer, ...]

    @property
    def constant(self) -> ProjectedLayer | None:
        """The first layer of which nothing is left, so that the network is constant; None if there is none."""
        return next((layer for layer in self.layers if layer.vanishes), None)


@dataclass(frozen=True)
class _State:
    """What a row is between two steps: its shape, and how it transforms; channels ⊗ grid for images."""

    shape: tuple[int, ...]
    rep: Representation
    channels: Representation | None = None


def project_network(
    steps: Sequence[Step],
    blocked: str,
    fed_shape: tuple[int, ...],
    task: Equivariance,
    rep_hidden: str | None = None,
    covariance: Tensor | None = None,
) -> Projection:
    """The projection of every layer, hidden representations given or inferred.

    Parameters
    ----------
    steps
        Layers, activations and rearrangements in execution order.
    blocked
        The first operation that makes the network more than these, by name; empty if there is none.
    fed_shape
        Shape of a row as the network takes it.
    task
        Group and representations at both ends.
    rep_hidden
        Formulas separated by semicolons, one for each hidden layer, or one for all.
    covariance
        E xxᵀ of the input ``(D, D)``: the first layer then minimises E‖ΔW x‖² (for representations that are not
        orthogonal, whose Frobenius norm means little).

    Raises
    ------
    UsageError
        A network or a layer that cannot be projected, or a nonlinearity that does not commute with the
        representation given; the message names it.
    """
    layers = [step for step in steps if isinstance(step, Layer)]
    _check_projectable(layers, blocked)
    hidden = None if rep_hidden is None else given_hidden(task.group, rep_hidden, len(layers) - 1)
    state = _State(tuple(fed_shape), task.rep_in)
    done: list[ProjectedLayer] = []
    out: list[Step] = []
    for i, step in enumerate(steps):
        shape = shape_after("the network", step, state.shape)
        if isinstance(step, Layer):
            following = _activations_after(steps, i)
            last = len(done) == len(layers) - 1
            state = _with_channels(state, step)
            if last:
                targets = [("output", _last_target(task, step, shape))]
            elif hidden is not None:
                targets = [("given", hidden[len(done)])]
            else:
                targets = list(_targets(task, state, step))
            projected, state = _best(targets, state, step, shape, following, covariance if not done else None)
            done.append(projected)
            out.append(projected.after)
        elif isinstance(step, Rearrangement):
            if step.kind != "flatten":
                raise UsageError(f"'{step.kind}' between layers cannot be projected; use --method average or frames")
            state = _State(shape, state.rep)
            out.append(step)
        else:
            if not commutes([step], state.rep, state.shape):
                raise UsageError(
                    f"'{step.kind}' does not commute with {state.rep} of {task.group.name}; use --method average or "
                    "frames, or another --rep-hidden"
                )
            state = replace(state, shape=shape)
            out.append(step)
    if layers and state.rep.dim != task.rep_out.dim:
        raise UsageError(f"the network ends in {state.rep}, not in --rep-out {task.rep_out}")
    return Projection(tuple(out), tuple(done))


def _check_projectable(layers: Sequence[Layer], blocked: str) -> None:
    if not layers:
        raise UsageError("the network has no linear or convolution layer to project; use --method average or frames")
    if blocked:
        raise UsageError(
            f"'{blocked}' makes the network more than one layer after another; export it with torch.export (.pt2), "
            "whose operations are projected one by one, or use --method average or frames"
        )
    for i, layer in enumerate(layers):
        if layer.path is None:
            raise UsageError(
                f"layer {i + 1} ({layer.kind}) holds its weights as constants (a frozen module), which cannot be "
                "replaced; save the module without freezing it, or use --method average or frames"
            )
        if layer.kind != "linear" and layer.attributes["groups"] != 1:
            raise UsageError(f"'{layer.path}' is a grouped convolution and cannot be projected; use --method average")
        if layer.kind in ("conv1d", "conv3d"):
            raise UsageError(f"'{layer.path}' is a {layer.kind}, and groups act on planes here; use --method average")
    paths = [layer.path for layer in layers]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"'{path}' acts more than once and cannot be projected; use --method average or frames")


def _activations_after(steps: Sequence[Step], index: int) -> list[Activation]:
    found = []
    for step in steps[index + 1 :]:
        if isinstance(step, Layer):
            break
        if isinstance(step, Activation):
            found.append(step)
    return found


def _with_channels(state: _State, layer: Layer) -> _State:
    """Channels of an input to a convolution: ρ = channels ⊗ image(height, width)."""
    if layer.kind == "linear":
        if len(state.shape) != 1:
            raise UsageError(
                f"'{layer.path}' acts on the last axis of rows of shape {state.shape}, which cannot be projected; "
                "flatten the rows first, or use --method average or frames"
            )
        return state
    if state.channels is not None:
        return state
    grid = state.shape[1:]
    problem = UsageError(
        f"'{layer.path}' is a convolution, and {state.rep} does not act on the {grid[0]} x {grid[1]} grid of its input "
        "as channels ⊗ image; use --method average"
    )
    try:
        image = parse_representation(state.rep.group, f"image({grid[0]},{grid[1]})")
    except UsageError:
        raise problem from None
    words = tuple(word[:-1] for word in state.rep.words)
    if any(not word or word[-1].name != str(image) for word in state.rep.words):
        raise problem
    sizes = [word_dimension(word) for word in words]
    channels = Representation(state.rep.group, words, torch.arange(sum(sizes)))
    if not torch.equal((channels * image).positions, state.rep.positions):
        raise problem
    return replace(state, channels=channels)


def _source(state: _State, layer: Layer) -> Representation:
    """What the columns of the weight transform by: the row, or channels ⊗ patch."""
    if layer.kind == "linear":
        return state.rep
    assert state.channels is not None
    height, width = layer.weight.shape[2:]
    if height == width == 1:
        return state.channels
    return state.channels * parse_representation(state.rep.group, f"image({height},{width})")


def _last_target(task: Equivariance, layer: Layer, shape: tuple[int, ...]) -> Representation:
    if layer.kind == "linear":
        return task.rep_out
    return _with_channels(_State(shape, task.rep_out), layer).channels or task.rep_out


def _targets(task: Equivariance, state: _State, layer: Layer) -> list[tuple[str, Representation]]:
    """Candidates for the hidden representation after ``layer``."""
    source = _source(state, layer)
    if source.dim != layer.weight[0].numel():  # (x, 1): only affine groups, which fix their hidden units
        return [("invariant units", trivial(task.group, layer.weight.shape[0]))]
    weight = layer.weight.flatten(1)
    return list(hidden_candidates(task.group, len(weight), weight, layer.bias, source))


def _best(
    targets: Sequence[tuple[str, Representation]],
    state: _State,
    layer: Layer,
    shape: tuple[int, ...],
    following: Sequence[Activation],
    covariance: Tensor | None,
) -> tuple[ProjectedLayer, _State]:
    """The projection onto that target, among those the nonlinearity respects, which moves the layer least."""
    best: tuple[ProjectedLayer, _State] | None = None
    for name, target in targets:
        rep, channels = target, None
        if layer.kind != "linear":
            channels = target
            rep = target * parse_representation(target.group, f"image({shape[1]},{shape[2]})")
        if target.dim != layer.weight.shape[0]:
            raise UsageError(
                f"'{layer.path}' has {layer.weight.shape[0]} outputs, but {target} has dimension {target.dim}; "
                "give a representation of that dimension"
            )
        if not commutes(following, rep, shape):
            if len(targets) == 1:
                kinds = ", ".join(step.kind for step in following)
                raise UsageError(
                    f"'{kinds}' after '{layer.path}' does not commute with {target} of {target.group.name}; give a "
                    "--rep-hidden that it respects (permutations for any, signed ones for odd nonlinearities)"
                )
            continue
        projected = _projected(layer, _source(state, layer), target, name, covariance)
        # Earlier candidates keep more structure, so that a later one has to be plainly nearer.
        if best is None or projected.moved < _PLAINLY * best[0].moved:
            best = projected, _State(shape, rep, channels)
    assert best is not None  # invariant units commute with everything
    if layer.kind != "linear":
        _check_convolution(best[0], state, best[1])
    return best


def _projected(
    layer: Layer, source: Representation, target: Representation, name: str, covariance: Tensor | None
) -> ProjectedLayer:
    space = intertwiners(source, target)
    matrix = _matrix(layer, source.dim)
    metric = None if covariance is None or source.dim != len(covariance) else covariance
    weight = space.project(matrix, metric)
    bias, bias_space = layer.bias, None
    if layer.bias is not None and weight.shape[1] == layer.weight[0].numel():
        bias_space = invariants(target)
        bias = bias_space.project(layer.bias.to(_F64)[:, None])[:, 0]
    elif layer.bias is not None:
        weight, bias = weight[:, :-1], weight[:, -1]
    after = replace(layer, weight=weight.reshape(layer.weight.shape), bias=bias)
    return ProjectedLayer(layer, after, space, bias_space, f"{target} ({name})")


def _matrix(layer: Layer, columns: int) -> Tensor:
    """W as a matrix; (W, b) where there is one column more."""
    weight = layer.weight.to(_F64).flatten(1)
    if columns == weight.shape[1]:
        return weight
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.to(_F64)
    return torch.cat([weight, bias[:, None]], 1)


def _check_convolution(projected: ProjectedLayer, state: _State, after: _State) -> None:
    """Stride and padding must commute with the turns of the grid, which the kernel alone does not tell."""
    layer, rng = projected.after, torch.Generator().manual_seed(0)
    elements = state.rep.group.sample(8, rng)
    x = torch.randn(8, state.rep.dim, dtype=_F64, generator=rng)
    network = plain_module([layer])
    with torch.no_grad():
        left = network(transformed(state.rep, elements, x).reshape(-1, *state.shape)).flatten(1)
        right = transformed(after.rep, elements, network(x.reshape(-1, *state.shape)).flatten(1))
    if float((left - right).abs().max()) > _LAYER_DEFECT * (1 + float(right.abs().max())):
        stride, padding = layer.attributes["stride"], layer.attributes["padding"]
        raise UsageError(
            f"'{layer.path}' (stride {stride}, padding {padding}) does not commute with the turns of a "
            f"{state.shape[1]} x {state.shape[2]} grid, whatever its weights; use --method average"
        )


def _distance(before: Layer, after: Layer) -> float:
    def flat(layer: Layer) -> Tensor:
        parts = [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
        return torch.cat([part.detach().to(_F64).flatten() for part in parts])

    size = float(flat(before).norm())
    return float((flat(after) - flat(before)).norm()) / size if size else 0.0
