"""A row that is stored five times lies on one side of every split, and rows that all differ are split as ever."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from symfind import api
from symfind.data.hdf5 import write
from symfind.decision.halves import (
    Half,
    groups_with_copies,
    halves,
    part_held_out,
    rows_with_duplicates_grouped,
    with_duplicates_grouped,
)
from symfind.equivariance.choose import yardstick_for
from symfind.fields.plane import image_space
from symfind.fits.surrogate import Samples, fold_labels
from symfind.kinds import search
from symfind.kinds.field import identification
from symfind.kinds.image import image
from symfind.kinds.image import lconv as image_lconv
from symfind.kinds.operator import extent, operator
from symfind.kinds.pairs import lconv
from symfind.kinds.points import level_sets
from symfind.options.of_verbs import DiscoverOptions, PromoteOptions
from symfind.promotion import kernels
from symfind.promotion.reading import ready
from symfind.verbs import promote_kernel


class Seen(Exception):
    """What was looked for has been seen."""


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=seeded(), dtype=torch.float64)


def five_times(rows: Tensor) -> Tensor:
    """Each of the rows five times, the copies far from one another."""
    return rows.repeat(5, *([1] * (rows.dim() - 1)))


def shared(first: Tensor, second: Tensor) -> int:
    """Number of rows of the first that the second has too."""
    other = set(map(tuple, second.flatten(1).tolist()))
    return sum(tuple(row) in other for row in first.flatten(1).tolist())


def stored(path: Path, kind: str, **arrays: Tensor) -> str:
    write(path, {name: values.numpy() for name, values in arrays.items()}, {"kind": kind})
    return str(path)


# ------------------------------------------------------------------ the one place


@pytest.mark.parametrize("distinct", [12, 30, 200])
def test_neither_halves_nor_blocks_part_copies(distinct: int) -> None:
    x = five_times(normal(distinct, 2))
    split = halves(with_duplicates_grouped(Samples(x, x[:, :1])), seeded())
    assert split is not None
    assert shared(split[0].samples.x, split[1].samples.x) == 0
    for half in split:
        for row in half.samples.x:
            assert len(half.block[(half.samples.x == row).all(1)].unique()) == 1
    assert min(half.blocks for half in split) > 1


def test_blocks_of_a_trajectory_that_returns_keep_its_points_whole() -> None:
    x = torch.cat([five_times(normal(40, 2)), five_times(normal(80, 2)[40:])])
    split = halves(Samples(x, x, torch.arange(400) // 200), seeded())
    assert split is not None
    for half in split:
        assert half.blocks == 40
        for row in half.samples.x:
            assert len(half.block[(half.samples.x == row).all(1)].unique()) == 1


def test_rows_by_role_are_grouped_alike() -> None:
    held = {"x": five_times(normal(8, 3, 2)), "y": torch.arange(40.0) % 8, "t": torch.arange(40.0)}
    grouped = rows_with_duplicates_grouped(held, "x", "y")
    assert torch.equal(grouped["group"] % 8, grouped["group"][:8].repeat(5)) and len(grouped["x"]) == 40
    assert "group" not in rows_with_duplicates_grouped(held, "x", "y", "t")
    twice = {"x": normal(20, 2).repeat(2, 1), "group": torch.arange(40) // 20}
    assert torch.equal(rows_with_duplicates_grouped(twice, "x")["x"], normal(20, 2))


def test_solutions_that_are_equal_are_of_one_group() -> None:
    u = normal(3, 5, 8, 1)[[0, 1, 0, 2, 1]]
    u[2][u[2] == u[2][0, 0, 0]] = u[0][0, 0, 0]
    u[0, 1, 1], u[2, 1, 1] = 0.0, -0.0
    blocks = ((numbers, u[numbers]) for numbers in torch.arange(5).split(2))
    assert groups_with_copies(torch.tensor([7, 7, 8, 8, 9]), blocks).tolist() == [7, 7, 7, 8, 7]
    assert groups_with_copies(torch.arange(3), [(torch.arange(3), u[:2].repeat(2, 1, 1, 1)[:3])]).tolist() == [0, 1, 0]
    distinct = normal(3, 5, 8, 1)
    assert groups_with_copies(torch.arange(3), [(torch.arange(3), distinct)]).tolist() == [0, 1, 2]


@pytest.mark.parametrize("count", [1, 10, 39])
def test_a_part_is_held_out_in_whole_groups(count: int) -> None:
    group = torch.arange(40) % 8
    held, rest = part_held_out(40, count, group, seeded())
    assert 0 < len(held) <= count and len(rest) > 0
    assert not set(group[held].tolist()) & set(group[rest].tolist())
    order = torch.randperm(40, generator=seeded())
    for none in (None, torch.zeros(40, dtype=torch.int64)):
        held, rest = part_held_out(40, count, none, seeded())
        assert torch.equal(torch.cat([held, rest]), order) and len(held) == count


# ------------------------------------------------------------------ where rows are split


def test_promotion_holds_out_what_it_does_not_fit(tmp_path: Path) -> None:
    x = normal(30, 3)
    y = x.square().sum(1)
    options = PromoteOptions(data=stored(tmp_path / "copies.h5", "function", x=five_times(x), y=five_times(y)))
    made = ready(options, Path(options.data), None, seeded())
    assert len(made.train) + len(made.test) == 150 and len(made.test) > 0
    assert shared(made.test.x, made.train.x) == 0

    plain = PromoteOptions(data=stored(tmp_path / "plain.h5", "function", x=x, y=y))
    made = ready(plain, Path(plain.data), None, seeded())
    assert torch.equal(made.test.x, x[fold_labels(30, None, round(1 / plain.held_out), seeded()) == 0])


def test_enforcement_judges_on_rows_that_it_does_not_distil(monkeypatch: pytest.MonkeyPatch) -> None:
    from symfind.equivariance import choose

    monkeypatch.setattr(choose, "seconds_per_call", lambda model, x: 0.0)
    monkeypatch.setattr(choose, "evaluated", lambda path, x, trust: lambda rows: rows)
    monkeypatch.setattr(choose, "rounding_of", lambda *_: 0.0)
    task: Any = SimpleNamespace(fresh_elements=lambda count, rng: None)

    def parted(x: Tensor) -> tuple[Tensor, Tensor]:
        subject: Any = SimpleNamespace(x=x, y=x[:, 0], model=lambda rows: rows[:, :1], path="model.pt", trust=False)
        made = yardstick_for(subject, task, seeded(), 1e-6)
        return made.x, made.train

    held, rest = parted(five_times(normal(30, 3)))
    assert len(held) > 0 and len(rest) > 0 and shared(held, rest) == 0
    held, rest = parted(normal(30, 3))
    assert torch.equal(torch.cat([held, rest]), normal(30, 3)[torch.randperm(30, generator=seeded())])


def test_the_degree_of_a_level_set_is_chosen_on_other_points(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[Tensor] = []
    tested: list[Tensor] = []

    def onto(levels: object, x: Tensor, *_: object) -> tuple[Tensor, Tensor]:
        tested.append(x)
        return x, x

    monkeypatch.setattr(level_sets, "fitted_levels", lambda x, *_: fitted.append(x) or object())
    monkeypatch.setattr(level_sets, "onto", onto)
    x = normal(200, 2)
    eye = torch.eye(2, dtype=torch.float64)
    level_sets.chosen_degree(five_times(x), eye, 1, 0.0, seeded())
    assert len(fitted[0]) >= 400 and len(tested[0]) >= 400 and shared(fitted[0], tested[0]) == 0
    level_sets.chosen_degree(x, eye, 1, 0.0, seeded())
    assert torch.equal(torch.cat([fitted[-1], tested[-1]]), x[torch.randperm(200, generator=seeded())])


def labelled(folder: Path) -> DiscoverOptions:
    x, y = five_times(normal(16, 1, 8, 8)), five_times(torch.arange(16) % 2)
    return DiscoverOptions(source=stored(folder / "images.h5", "image", x=x, y=y))


def test_a_classifier_of_images_has_not_seen_what_it_judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[Tensor] = []

    def train(images: Tensor, *_: object) -> None:
        parts.append(images)

    def judged(*_: object) -> None:
        raise Seen

    monkeypatch.setattr(image, "trained_classifier", train)
    monkeypatch.setattr(image, "_judged", judged)
    with pytest.raises(Seen):
        api.discover(labelled(tmp_path))
    assert len(parts) == 2 and len(parts[0]) + len(parts[1]) == 80 and shared(*parts) == 0


def test_a_layer_on_images_has_not_seen_what_it_is_scored_on(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = splits_of(monkeypatch, image_lconv)
    x = five_times(normal(16, 1, 8, 8).float())
    group = torch.arange(80) % 16
    with pytest.raises(Seen):
        image_lconv.learn_inside(x, torch.arange(80) % 2, group, image_space("image-affine", 1), seeded())
    assert shared(x[parts[0]], x[parts[1]]) == 0


def splits_of(monkeypatch: pytest.MonkeyPatch, module: Any) -> list[Tensor]:
    """The numbers of the two parts of the first split that the module makes, which ends there."""
    parts: list[Tensor] = []

    def split(*arguments: Any) -> tuple[Tensor, Tensor]:
        parts.extend(part_held_out(*arguments))
        raise Seen

    monkeypatch.setattr(module, "part_held_out", split)
    return parts


def test_the_weight_of_a_promoted_kernel_is_chosen_on_other_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = splits_of(monkeypatch, kernels)
    u = five_times(normal(12, 16))
    axis = torch.arange(16, dtype=torch.float64)
    path = stored(tmp_path / "pairs.h5", "operator", x=u, y=u.roll(1, 1), grid_x=axis)
    fits: list[Tensor] = []
    small_basis = promote_kernel.small_basis

    def fitted(grid: Any, rows: Tensor, values: Tensor) -> Any:
        fits.append(rows)
        return small_basis(grid, rows, values)

    monkeypatch.setattr(promote_kernel, "small_basis", fitted)
    with pytest.raises(Seen):
        api.promote(PromoteOptions(data=path))
    assert len(fits[0]) < 60 and set(torch.unique(fits[0], dim=0, return_counts=True)[1].tolist()) == {5}
    assert shared(fits[0][parts[0]], fits[0][parts[1]]) == 0


def halves_seen(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[Tensor | None]:
    """The groups with which rows are halved, where the search ends."""
    groups: list[Tensor | None] = []

    def seen(*arguments: Any, **_: Any) -> tuple[Half, Half]:
        groups.extend(a for a in arguments if a is None or (isinstance(a, Tensor) and a.dtype == torch.int64))
        raise Seen

    monkeypatch.setattr(module, name, seen)
    return groups


@pytest.mark.parametrize("copies", [True, False])
def test_pairs_and_maps_between_fields_are_halved_in_whole_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: bool
) -> None:
    made: Callable[[Tensor], Tensor] = five_times if copies else lambda rows: rows
    x = made(normal(30, 3))
    seen = halves_seen(monkeypatch, lconv, "evidence_of_carried")
    with pytest.raises(Seen):
        api.discover(DiscoverOptions(source=stored(tmp_path / "pairs.h5", "pairs", x=x, x_moved=x.flip(1))))
    check(seen[0], copies)

    u = made(normal(30, 16))
    axis = torch.arange(16, dtype=torch.float64)
    seen = halves_seen(monkeypatch, operator, "half_numbers")
    with pytest.raises(Seen):
        source = stored(tmp_path / "fields.h5", "operator", x=u, y=u.roll(1, 1), grid_x=axis)
        api.discover(DiscoverOptions(source=source))
    check(seen[0], copies)


@pytest.mark.parametrize("copies", [True, False])
def test_solutions_that_are_stored_twice_lie_on_one_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: bool
) -> None:
    groups: list[Tensor] = []

    def seen(data: Any, *_: object) -> None:
        groups.append(data.groups)
        raise Seen

    monkeypatch.setattr(identification, "jets", seen)
    u = normal(3, 20, 32)
    path = tmp_path / "fields.h5"
    axes = {"t": torch.linspace(0, 1, 20).numpy(), "x": torch.arange(32.0).double().numpy()}
    write(path, {"u": (u.repeat(2, 1, 1) if copies else u).numpy(), **axes}, {"kind": "field"})
    with pytest.raises(Seen):
        api.discover(DiscoverOptions(source=str(path)))
    assert groups[0].tolist() == ([0, 1, 2, 0, 1, 2] if copies else [0, 1, 2])


def check(group: Tensor | None, copies: bool) -> None:
    """30 groups, each with five rows; None where no row is a copy."""
    if not copies:
        assert group is None
        return
    assert group is not None and torch.unique(group, return_counts=True)[1].tolist() == [5] * 30


def test_numbers_of_copies_are_never_in_two_blocks() -> None:
    group = torch.arange(60) % 12
    split = extent.half_numbers(60, group, seeded(), whole=True)
    assert split is not None
    for half in split:
        own = group[half.samples.x[:, 0].long()]
        assert all(len(half.block[own == g].unique()) == 1 for g in own.unique())


def test_inputs_of_a_model_are_halved_with_their_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Radius(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.square().sum(1, keepdim=True)

    model, data = tmp_path / "radius.pt", stored(tmp_path / "x.h5", "points", x=five_times(normal(30, 3)))
    torch.jit.trace(Radius(), torch.zeros(1, 3)).save(str(model))
    groups: list[Tensor | None] = []

    def seen(frame: object, model: object, samples: Samples, *_: object) -> None:
        groups.append(samples.group)
        raise Seen

    monkeypatch.setattr(search, "evidence_of_model", seen)
    with pytest.raises(Seen):
        api.discover(DiscoverOptions(source=str(model), data=data))
    check(groups[0], True)
