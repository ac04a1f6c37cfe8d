"""dF·ξx − ρ_out F = Σₖ (Dₖ₋₁ − Dₖ): what each layer of a chain adds to the Lie derivative of the network.

With hₖ the result of layer k and Bₖ an action on it, Dₖ = d(Fₙ∘…∘Fₖ₊₁)·Bₖhₖ is how the output moves if hₖ is moved;
layer k adds Dₖ₋₁ − Dₖ = d(tail)·(dFₖ·Bₖ₋₁hₖ₋₁ − Bₖhₖ), zero where Fₖ commutes with the two actions. The sum does not
depend on the actions in between, as in Gruver et al. 2023 (The Lie derivative for measuring learned equivariance),
who know them because they move images. Here nobody gives them: behind a layer with weights Bₖ is the affine map that
tells best, on rows that are not judged, how its result moves, and a pointwise function is asked to keep the action
that it is given. So a layer is blamed for a motion that no linear action on its result tells, and an activation for
not commuting.

Axis letters: n rows, w width of a layer, m outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from symfind.equivariance.equivariance import Equivariance, spread
from symfind.equivariance.settings import SETTINGS
from symfind.errors import UsageError
from symfind.lie.groups.representations import natural_representation
from symfind.models.autodiff import along_by_forward_mode
from symfind.models.model import Model
from symfind.models.modules import plain_module
from symfind.models.network import Activation, Layer, Step
from symfind.schema.enforcement import LayerScored

_F64 = torch.float64
# Singular values of the rows of a layer below this share are none: an action along them would be rounding.
_RANK = 1e-10
# Weights of float32 commute to 1e-7; an action that is not the layer's misses by far more.
_EXACT = 1e-5


def layer_contributions(
    model: Model, task: Equivariance, x: Tensor, fed_shape: tuple[int, ...]
) -> tuple[LayerScored, ...]:
    """Each layer with the size of what it adds, in units of the spread of F, and its share of the whole.

    Parameters
    ----------
    model
        A chain of layers.
    task
        A group with generators, and its representations.
    x
        Rows; actions are fitted on one half, layers judged on the other.
    fed_shape
        In which a row goes into the network.

    Raises
    ------
    UsageError
        The model is no chain, the group is finite, or rows are fewer than a layer's width asks for.
    """
    if not model.is_sequential or not model.layers():
        what = f"'{model.blocked}' makes it more than that" if model.blocked else "its layers are not told by the file"
        raise UsageError(
            f"{model.path}: --by-layer takes one layer after another, and {what}; save a chain of layers as "
            "TorchScript or a checkpoint, or leave --by-layer out"
        )
    if task.group.is_finite:
        raise UsageError(f"{task.group.name} has no Lie derivative; leave --by-layer out, or name a continuous group")
    steps = _with_rearrangements(model.layers())
    modules = [plain_module(s).to(_F64).requires_grad_(False).eval() for s in steps]
    flat = x.reshape(len(x), -1).to("cpu", _F64)
    half = len(flat) // 2
    held = [flat.reshape(len(x), *fed_shape)]
    with torch.no_grad():
        for module in modules:
            held.append(module(held[-1]))
    for step, h in zip(steps, held[1:-1], strict=False):
        if _keeps_action(step):
            continue
        width = prod(h.shape[1:])
        if half < SETTINGS.rows_a_number * (width + 1):
            need = 2 * int(SETTINGS.rows_a_number * (width + 1)) + 1
            raise UsageError(
                f"{model.path}: layer {_name(step)} gives {width} numbers; how they move takes {need} rows to tell, "
                f"and there are {len(x)}: give --n-samples {need} or more data"
            )
    moved = [_output_motion(steps, modules, held, task, a, half) for a in task.group.generators]
    # (generators, layers + 1, n, m): D₀ … Dₙ on the half that is judged.
    d = torch.stack(moved)
    each, total = d[:, :-1] - d[:, 1:], d[:, 0] - d[:, -1]
    unit, whole = spread(held[-1]), float(total.square().sum())
    out = []
    for k, step in enumerate(steps):
        size = float(each[:, k].square().sum(-1).mean().sqrt()) / unit
        share = float((each[:, k] * total).sum()) / whole if whole > 0 else 0.0
        out.append(LayerScored(layer=_name(step), kind=_kind(step), rms=size, share=share))
    return tuple(out)


def _with_rearrangements(steps: Sequence[Step]) -> list[tuple[Step, ...]]:
    """Steps, each with the relabellings of axes before it, which add nothing; those at the end go with the last."""
    out, waiting = list[tuple[Step, ...]](), list[Step]()
    for step in steps:
        waiting.append(step)
        if isinstance(step, Layer | Activation):
            out.append(tuple(waiting))
            waiting = []
    if waiting:
        out[-1:] = [(*(out[-1] if out else ()), *waiting)]
    return out


def _output_motion(
    steps: Sequence[tuple[Step, ...]],
    modules: Sequence[nn.Module],
    held: Sequence[Tensor],
    task: Equivariance,
    generator: Tensor,
    half: int,
) -> Tensor:
    """D₀ … Dₙ ``(layers + 1, n − half, m)`` for one generator."""
    image, width = task.rep_in.drho(generator[None])[0], held[0][0].numel()
    motion, action = _acted(image, held[0].flatten(1)).reshape(held[0].shape), image[:width, :width].T
    out = []
    for k in range(len(modules)):
        tail = nn.Sequential(*modules[k:])
        out.append(along_by_forward_mode(tail, held[k][half:], motion[half:].contiguous())[1])
        if k + 1 < len(modules):
            h = held[k + 1].flatten(1)
            if not _keeps_action(steps[k]):
                _, after = along_by_forward_mode(modules[k], held[k], motion.contiguous())
                action, shift = _told(h, after, half, _copies(task, generator, h.shape[1]))
                motion = (h @ action + shift).reshape(held[k + 1].shape)
            else:
                motion = (h @ action).reshape(held[k + 1].shape)
    out.append(_acted(task.rep_out.drho(generator[None])[0], held[-1].flatten(1))[half:])
    return torch.stack(out)


def _acted(a: Tensor, x: Tensor) -> Tensor:
    """A x, or A x + b where A acts on (x, 1)."""
    width = x.shape[1]
    moved = x @ a[:width, :width].T
    return moved if a.shape[0] == width else moved + a[:width, width]


def _keeps_action(steps: tuple[Step, ...]) -> bool:
    """Whether the numbers are those from before, each by itself and in their order."""
    return not any(isinstance(s, Layer) or s.kind == "permute" for s in steps)


def _copies(task: Equivariance, generator: Tensor, width: int) -> Tensor | None:
    """The action on copies of the group's own vectors, as far as they fill the width."""
    try:
        image = natural_representation(task.group, (width,)).drho(generator[None])[0]
    except UsageError:
        return None
    return image.T if image.shape[0] == width else None


def _told(h: Tensor, motion: Tensor, half: int, usual: Tensor | None) -> tuple[Tensor, Tensor]:
    """B ``(w, w)`` and c ``(w,)`` with h B + c nearest to the motion of the first rows; the usual where exact.

    Rows that do not span the layer leave B open beyond them, and there an activation goes.
    """
    if usual is not None and float((h @ usual - motion).norm()) <= _EXACT * float(motion.norm()):
        return usual, h.new_zeros(h.shape[1])
    centre = h[:half].mean(0)
    rows = torch.cat([h - centre, h.new_ones(len(h), 1)], 1)
    found = torch.linalg.lstsq(rows[:half], motion[:half], rcond=_RANK, driver="gelsd").solution
    return found[:-1], found[-1] - centre @ found[:-1]


def _name(steps: tuple[Step, ...]) -> str:
    last = next(s for s in reversed(steps) if isinstance(s, Layer | Activation))
    return (last.path or last.kind) if isinstance(last, Layer) else last.kind


def _kind(steps: tuple[Step, ...]) -> str:
    """``pointwise tanh``, ``linear 3 → 16``, ``conv2d 1 → 8, stride 2, padding 1``."""
    last = next(s for s in reversed(steps) if isinstance(s, Layer | Activation))
    if isinstance(last, Activation):
        return f"{'' if last.kind in ('softmax', 'log_softmax') else 'pointwise '}{last.kind}"
    groups = last.attributes.get("groups", 1)
    text = f"{last.kind} {last.weight.shape[1] * groups} → {last.weight.shape[0]}"
    stride = last.attributes.get("stride", ())
    padding = [side for pair in last.attributes.get("padding", ()) for side in pair]
    if any(s != 1 for s in stride):
        text += f", stride {'×'.join(map(str, dict.fromkeys(stride)))}"
    if any(padding):
        text += f", padding with zeros {'×'.join(map(str, dict.fromkeys(padding)))}"
    return text
