"""F given as a trained model: values and derivatives that can be relied on, or one line that says why not."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from symfind.beside import tried
from symfind.errors import InputError, UsageError
from symfind.linalg.batches import Batches
from symfind.models.autodiff import (
    DirectionalDerivative,
    along_by_forward_mode,
    along_by_rows,
    jacobian_by_columns,
    jacobian_by_rows,
    recording,
    right_directional_derivative,
)
from symfind.models.loading import TRUST, load_network
from symfind.models.modules import converted, types_of, with_types
from symfind.models.network import Network, Step
from symfind.models.probe import Probe, check_derivative, difference_between_rows, sample_rows
from symfind.models.torchscript import ScriptError, known_fault, one_line

_T = TypeVar("_T")
# What torch raises when a network and its input do not fit (guards of torch.export assert).
_TORCH_FAULTS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError, KeyError, ScriptError)


def load_model(
    path: Path,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
    trust: bool = False,
    bound: bool = True,
) -> Model:
    """F from a TorchScript archive, a ``torch.export`` archive or an HDF5 checkpoint.

    A file that states the shape of its input gives a model ready for use; else :meth:`Model.bind` comes first.

    Parameters
    ----------
    path
        The model file.
    device
        Where it is evaluated.
    dtype
        Floating-point type of evaluation, if the network can be converted to it.
    trust
        True accepts an archive whose code touches files or runs on loading.
    bound
        False leaves :meth:`Model.bind` to the caller, who has rows: a model that looks numbers up fails on others.

    Raises
    ------
    InputError
        The file is missing, damaged, unsafe, or no model; the message says what it is and what to do.
    """
    target = torch.device(device)
    network = load_network(path, target, trust=trust)
    model = Model(str(path), network, target, dtype, trust=trust)
    if bound and network.input_shape is not None:
        model.bind(network.input_shape)
    return model


class Model:
    """F: X → Y of a network, with dF; conforms to :class:`symfind.models.differentiable_map.DifferentiableMap`.

    Axis letters: n points, D = product of ``input_shape``, m = product of ``output_shape``.

    Attributes
    ----------
    path
        Where it was loaded from, for messages.
    device, dtype
        Of what it takes and gives.
    compute_dtype
        Of what happens in between: the network's own type where it cannot be converted (frozen modules).
    """

    def __init__(
        self, path: str, network: Network, device: torch.device, dtype: torch.dtype, *, trust: bool = False
    ) -> None:
        self.path = path
        self._vouched = trust or network.format == "checkpoint"
        self.device = device
        self.dtype = dtype
        self.compute_dtype = dtype
        self._along: DirectionalDerivative | None = None
        self._sample = torch.empty(0)
        self._network = network
        self._native = network.dtype
        self._fewest_rows, self._most_rows = network.batch
        self._input_shape: tuple[int, ...] | None = None
        self._fed_shape: tuple[int, ...] = ()
        self._output_shape: tuple[int, ...] = ()
        self._numbers_per_row = 1
        self._batches = Batches(path, device)

    @property
    def forward_mode(self) -> bool:
        """True if forward-mode derivatives of this network were found right; else they are not used."""
        return self._directional_derivative() is along_by_forward_mode

    @property
    def batch(self) -> tuple[int, int | None]:
        """Fewest and most rows of one call; None stands for any number."""
        return self._network.batch

    @property
    def stored_dtype(self) -> torch.dtype | None:
        """The floating-point type of the file's numbers; None if it has none."""
        return self._native

    @property
    def last_digit(self) -> float:
        """The relative last digit of the numbers in the file or of the evaluation, whichever is coarser."""
        types = (self.compute_dtype, self.dtype, self._native or self.compute_dtype)
        return max(torch.finfo(t).eps for t in types)

    @property
    def last_digit_of_values(self) -> float:
        """The relative last digit of the evaluation."""
        return max(torch.finfo(t).eps for t in (self.compute_dtype, self.dtype))

    @property
    def format(self) -> str:
        """``torchscript``, ``torch.export`` or ``checkpoint``."""
        return self._network.format

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one row of x."""
        if self._input_shape is None:
            raise UsageError(f"{self.path}: the model does not tell the shape of its input; give --data or --shape")
        return self._input_shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one row of F(x)."""
        return self._output_shape if self.input_shape is not None else ()

    @property
    def input_width(self) -> int | None:
        """How many numbers (channels, for a convolution) the first layer takes, where the network tells it."""
        return self._network.first_layer.width if self._network.first_layer else None

    @property
    def is_sequential(self) -> bool:
        """True if the network is nothing but :meth:`layers`, one after the other."""
        return self._network.sequential

    @property
    def blocked(self) -> str:
        """The operation that makes the network more than :meth:`layers`; empty if it is not."""
        return self._network.blocked

    def layers(self) -> tuple[Step, ...]:
        """W₁, σ₁, W₂, … in the order in which they act, weights in the dtype of the file."""
        return self._network.steps

    def bind(self, input_shape: tuple[int, ...], sample: Tensor | None = None, *, derivatives: bool = True) -> Model:
        """Fix the shape of one row of x, and check on a few rows that values and derivatives can be relied on.

        Rows of another shape with the same numbers are rearranged where that is unambiguous: objects ``(k, d)``
        for a network that takes ``k·d`` numbers, an image without its one channel.

        Parameters
        ----------
        input_shape
            Shape of one row of the data.
        sample
            Rows of the data ``(n, *input_shape)``, of which the first few are used; standard normal ones else.
        derivatives
            Whether derivatives will be asked for; else only values are checked.

        Raises
        ------
        InputError
            The shape does not fit the network; it returns no tensor, or none of floating-point rows; its rows
            depend on one another; it is random; its derivatives are missing.
        """
        self._input_shape = None
        self._fed_shape = self._shape_to_feed(input_shape)
        self._input_shape = input_shape
        x = sample_rows(input_shape, sample, self.dtype, self.device)
        try:
            if not self._vouched and self.device.type == "cpu":  # a copy of this process has no GPU
                tried(Path(self.path), lambda: self._settle_dtype(x), "in its first call", TRUST)
            self._settle_dtype(x)
            probe = Probe(x, self._forward)
            self._check_rows(probe)
            self._numbers_per_row = probe.saved_numbers_per_row() + prod(input_shape) * (1 + prod(self._output_shape))
            if derivatives:
                check_derivative(probe, self.compute_dtype, self.path)
            self._sample, self._along = x, None
        except Exception:
            self._input_shape = None
            raise
        return self

    def __call__(self, x: Tensor) -> Tensor:
        """F(x): ``(n, *input_shape)`` → ``(n, *output_shape)``, no gradient recorded.

        Raises
        ------
        InputError
            Rows of another shape, or values that are not finite.
        """
        self._check_shape(x)
        with torch.no_grad():
            y = torch.cat(self._in_parts(self._forward, x))
        self._check_finite(y, "values")
        return y

    def differentiable(self, x: Tensor) -> Tensor:
        """F(x) ``(n, *output_shape)``, with the gradient that leads back to x; values are not checked."""
        self._check_shape(x)
        return self._forward(x)

    def value_and_jacobian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """F(x) as ``(n, m)`` and dF(x) as ``(n, m, D)``, both flattened; no gradient recorded.

        One reverse pass an output or one forward pass an input, whichever are fewer; in chunks of rows, so that
        the memory beyond the result is bounded.

        Raises
        ------
        InputError
            Rows of another shape; values or derivatives that are not finite.
        """
        self._check_shape(x)
        m, d = prod(self._output_shape), prod(self.input_shape)
        jacobian = jacobian_by_columns if d < m and self.forward_mode else jacobian_by_rows
        with recording():
            parts = self._in_parts(lambda part: jacobian(self._forward, part), x)
        y, dy = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        y, dy = y.reshape(len(x), m), dy.reshape(len(x), m, d)
        self._check_finite(y, "values")
        self._check_finite(dy, "derivatives")
        return y, dy

    def value_and_directional_derivative(self, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """F(x) and dF(x)·v, both ``(n, m)``, for one direction ``v`` ``(n, *input_shape)`` at each point.

        The Jacobian is never formed: for rows of very many numbers.

        Raises
        ------
        InputError
            As :meth:`value_and_jacobian`.
        """
        self._check_shape(x)
        self._check_shape(v)
        directional_derivative = self._directional_derivative()
        with recording():
            parts = self._in_parts(lambda part, along: directional_derivative(self._forward, part, along), x, v)
        y, dy = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        self._check_finite(y, "values")
        self._check_finite(dy, "derivatives")
        return y, dy

    def _in_parts(self, action: Callable[..., _T], *given: Tensor) -> list[_T]:
        return self._batches.done(action, given, self._numbers_per_row, self._fewest_rows, self.dtype)

    def _check_shape(self, x: Tensor) -> None:
        shape = self.input_shape
        if x.ndim == 0 or tuple(x.shape[1:]) != shape or len(x) == 0:
            raise InputError(f"{self.path}: got x of shape {tuple(x.shape)}, expected (n, *{shape}) with n ≥ 1")

    def _shape_to_feed(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape in which rows of ``shape`` go into the network."""
        stated, first = self._network.input_shape, self._network.first_layer
        if stated is not None:
            without_ones = [size for size in shape if size != 1], [size for size in stated if size != 1]
            flat = prod(shape) == prod(stated) and min(len(shape), len(stated)) <= 1
            if without_ones[0] == without_ones[1] or flat:
                return stated
            raise InputError(
                f"{self.path}: rows of shape {shape} ({prod(shape)} numbers), but the model takes {stated} "
                f"({prod(stated)} numbers); give data of that shape"
            )
        if first is None:
            return shape
        fed = first.row_shape(shape)
        if fed is None:
            given = prod(shape) if first.axis is None or len(shape) < -first.axis else shape[first.axis]
            what = "channels" if first.axis is not None and first.axis < -1 else "numbers"
            raise InputError(
                f"{self.path}: {first} takes {first.width} {what}, but the rows have {given} (shape {shape}); "
                f"give data of width {first.width} or another model"
            )
        return fed

    def _settle_dtype(self, x: Tensor) -> None:
        """Evaluate in the dtype asked for if the network can; else in its own, with conversions around it."""
        module = self._network.module
        native = self._native or torch.float32
        stored = types_of(module)
        for candidate in dict.fromkeys((self.dtype, native)):
            self.compute_dtype = candidate
            if candidate == native:
                with_types(module, stored)
            else:
                converted(module, candidate)
            try:
                with torch.no_grad():
                    y = self._forward(x)
            except InputError:
                if candidate == native:  # the network as it was saved does not work on these rows
                    raise
            else:
                self._output_shape = tuple(y.shape[1:])
                return

    def _forward(self, x: Tensor) -> Tensor:
        """F(x) ``(n, *output_shape)`` in ``dtype``, in as many calls as the network's batch size asks for."""
        fed = x.reshape(len(x), *self._fed_shape).to(self.compute_dtype)
        if fed.data_ptr() == x.data_ptr():
            fed = fed.clone()  # operations in place would move the caller's rows
        parts = []
        most = self._most_rows or len(fed)
        for part in [fed] if len(fed) <= most else [part.clone() for part in torch.split(fed, most)]:
            missing = self._fewest_rows - len(part)
            padded = torch.cat([part, part[-1:].expand(missing, *part.shape[1:])]) if missing > 0 else part
            parts.append(self._call(padded)[: len(part)])
        return (torch.cat(parts) if len(parts) > 1 else parts[0]).to(self.dtype)

    def _call(self, x: Tensor) -> Tensor:
        try:
            y = self._network.module(x)
        except torch.OutOfMemoryError:
            raise
        except _TORCH_FAULTS as error:
            if known := known_fault(error):
                raise InputError(f"{self.path}: {known}") from None
            raise InputError(
                f"{self.path}: the model fails on rows of shape {self._fed_shape} ({one_line(error)}); give data of "
                "the shape it was trained on"
            ) from None
        if not isinstance(y, Tensor):
            names = y if isinstance(y, dict) else range(len(y)) if isinstance(y, tuple | list) else ()
            named = f", or give --model-output to enforce or score ({', '.join(map(str, names))})" if names else ""
            raise InputError(
                f"{self.path}: the model returns a {type(y).__name__}, expected one tensor; wrap it in a module that "
                f"returns the tensor in question{named}"
            )
        if y.ndim == 0 or len(y) != len(x):
            raise InputError(
                f"{self.path}: the model returns shape {tuple(y.shape)} for {len(x)} rows, expected ({len(x)}, …); "
                "export it without reducing over rows"
            )
        if not y.is_floating_point():
            raise InputError(
                f"{self.path}: the model returns {y.dtype}, which has no derivative; export it with real outputs "
                "(before argmax or rounding)"
            )
        return y

    def _check_finite(self, tensor: Tensor, what: str) -> None:
        finite = torch.isfinite(tensor).reshape(len(tensor), -1).all(1)
        if not bool(finite.all()):
            wrong = (~finite).nonzero()
            raise InputError(
                f"{self.path}: the {what} of the model are not finite at {len(wrong)} of {len(tensor)} rows, the first "
                f"is row {int(wrong[0])}; leave those rows out or repair the model"
            )

    def _directional_derivative(self) -> DirectionalDerivative:
        """Return the way to dF·v that was found right; found when first asked for, as forward mode is slow to load."""
        if self._along is None:
            one_output = prod(self.output_shape) == 1  # then the gradient, one reverse pass, serves every direction
            self._along = along_by_rows if one_output else right_directional_derivative(self._forward, self._sample)
        return self._along

    def _check_rows(self, probe: Probe) -> None:
        try:
            self._forward(probe.x[:1])
        except InputError:
            self._fewest_rows = 2  # squeeze() drops the axis of a single row; such a row is sent twice
        difference = difference_between_rows(probe, self.compute_dtype)
        if difference == "random":
            raise InputError(
                f"{self.path}: the model gives different values for the same rows; export it in eval mode, without "
                "dropout or noise"
            )
        if difference == "mixed":
            raise InputError(
                f"{self.path}: the model mixes rows (a row's value depends on the rest of its batch); export a model "
                "that treats each row alone, batch normalisation in eval mode"
            )
