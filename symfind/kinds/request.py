"""What is asked of a source, as every kind of data reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class InputsRequest(Protocol):
    """Where the rows come from that a model is judged on."""

    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def data(self) -> str | None: ...  # noqa: D102
    @property
    def sample(self) -> str | None: ...  # noqa: D102
    @property
    def shape(self) -> tuple[int, ...] | None: ...  # noqa: D102
    @property
    def n_samples(self) -> int: ...  # noqa: D102
    @property
    def input(self) -> str | None: ...  # noqa: D102
    @property
    def mapping(self) -> str | Mapping[str, object] | None: ...  # noqa: D102
    @property
    def max_rows(self) -> int | None: ...  # noqa: D102


class Request(InputsRequest, Protocol):
    """What is asked of a source, by the names of ``discover``'s options (``symfind.verbs.options.DiscoverOptions``)."""

    @property
    def kind(self) -> str | None: ...  # noqa: D102
    @property
    def output_name(self) -> str | None: ...  # noqa: D102
    @property
    def space(self) -> str | None: ...  # noqa: D102
    @property
    def acts_on(self) -> str: ...  # noqa: D102
    @property
    def output_action(self) -> str: ...  # noqa: D102
    @property
    def level_set(self) -> str | None: ...  # noqa: D102
    @property
    def output_type(self) -> str | None: ...  # noqa: D102
    @property
    def method(self) -> str: ...  # noqa: D102
    @property
    def variant(self) -> str: ...  # noqa: D102
    @property
    def steps(self) -> int: ...  # noqa: D102
    @property
    def checkpoint(self) -> str | None: ...  # noqa: D102
    @property
    def resume(self) -> bool: ...  # noqa: D102
    @property
    def bootstrap(self) -> int: ...  # noqa: D102
    @property
    def surrogate(self) -> str: ...  # noqa: D102
    @property
    def grid(self) -> str | None: ...  # noqa: D102
    @property
    def density(self) -> str: ...  # noqa: D102
    @property
    def equation(self) -> str | None: ...  # noqa: D102
    @property
    def tolerance(self) -> float: ...  # noqa: D102
    @property
    def alpha(self) -> float: ...  # noqa: D102
    @property
    def model(self) -> str | None: ...  # noqa: D102
    @property
    def trust_model(self) -> bool: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def dtype(self) -> str: ...  # noqa: D102
