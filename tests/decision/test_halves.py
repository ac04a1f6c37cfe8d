"""Halves and blocks: groups whole, segments contiguous, copies together, one group declined."""

import torch

from symfind.decision.halves import BLOCKS, gram_by_block, halves, with_duplicates_grouped
from symfind.fits.surrogate import Samples


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def samples(n: int, group: torch.Tensor | None = None) -> Samples:
    return Samples(torch.arange(n).double()[:, None], torch.zeros(n, 1).double(), group)


def test_rows_are_dealt_out_evenly() -> None:
    split = halves(samples(1001), seeded())
    assert split is not None
    assert sorted(len(h.samples) for h in split) == [500, 501]
    assert [h.blocks for h in split] == [BLOCKS, BLOCKS]
    together = torch.cat([h.samples.x[:, 0] for h in split]).sort().values
    torch.testing.assert_close(together, torch.arange(1001).double())


def test_few_trajectories_are_cut_into_contiguous_segments() -> None:
    split = halves(samples(800, torch.arange(800) // 100), seeded())
    assert split is not None
    for half in split:
        assert half.blocks >= BLOCKS
        assert len(half.samples) == 400
        for block in range(half.blocks):
            rows = half.samples.x[half.block == block, 0]
            assert len(rows) > 0
            assert float(rows.max() - rows.min()) == len(rows) - 1
            assert len((rows // 100).unique()) == 1  # of one trajectory


def test_many_groups_stay_whole() -> None:
    split = halves(samples(1000, torch.arange(1000) // 5), seeded())
    assert split is not None
    for half in split:
        for g in (half.samples.x[:, 0] // 5).unique():
            assert len(half.block[half.samples.x[:, 0] // 5 == g].unique()) == 1
    assert not set((split[0].samples.x // 5).flatten().tolist()) & set((split[1].samples.x // 5).flatten().tolist())


def test_one_group_cannot_be_halved() -> None:
    assert halves(samples(100, torch.zeros(100, dtype=torch.int64)), seeded()) is None
    assert halves(samples(3), seeded()) is None


def test_copies_of_a_row_stay_together() -> None:
    x = torch.randn(50, 2, generator=seeded(), dtype=torch.float64).repeat(4, 1)
    grouped = with_duplicates_grouped(Samples(x, x[:, :1]))
    assert grouped.group is not None
    split = halves(grouped, seeded())
    assert split is not None
    rows = [set(map(tuple, h.samples.x.tolist())) for h in split]
    assert not rows[0] & rows[1]


def test_a_trajectory_that_is_stored_twice_is_one() -> None:
    x = torch.randn(60, 2, generator=seeded(), dtype=torch.float64).repeat(2, 1)
    grouped = with_duplicates_grouped(Samples(x, x, torch.arange(120) // 60))
    assert halves(grouped, seeded()) is None


def test_trajectories_that_meet_in_a_row_stay_two() -> None:
    x = torch.randn(60, 2, generator=seeded(), dtype=torch.float64)
    x[30] = x[0]
    grouped = with_duplicates_grouped(Samples(x, x, torch.arange(60) // 30))
    assert len(grouped) == 59
    assert grouped.group is not None and len(grouped.group.unique()) == 2


def test_distinct_rows_are_left_as_they_are() -> None:
    plain = samples(10)
    assert with_duplicates_grouped(plain) is plain


def test_products_are_summed_block_by_block_in_any_order() -> None:
    generator = seeded()
    left, right = (torch.randn(50, 3, k, generator=generator).double() for k in (4, 2))
    block = torch.randint(6, (50,), generator=generator)
    block[block == 3] = 5  # a block without points
    expected = torch.stack([torch.einsum("nrk,nrl->kl", left[block == b], right[block == b]) for b in range(6)])
    assert float(expected[3].abs().max()) == 0
    torch.testing.assert_close(gram_by_block(left, right, block, 6), expected)
    order = torch.argsort(block)
    torch.testing.assert_close(gram_by_block(left[order], right[order], block[order], 6), expected)
