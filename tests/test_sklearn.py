"""Estimators of scikit-learn: its own checks, exact invariance, and data without a symmetry that get none."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from symfind.errors import UsageError
from symfind.sklearn import GeneratorAugmenter, SymmetricRegressor

ESTIMATORS = (SymmetricRegressor(group=None), SymmetricRegressor(), GeneratorAugmenter())


def turned(x: np.ndarray, angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return x @ np.array([[c, s], [-s, c]])


def radial(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(seed).normal(size=(rows, 2))
    r2 = (x**2).sum(1)
    return x, r2 - 0.1 * r2**2


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_scikit_learn_finds_no_fault(estimator: object) -> None:
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    assert [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"] == []
    assert sum(r["status"] == "passed" for r in results) > 30


def test_a_named_group_is_kept_exactly_and_needs_fewer_rows() -> None:
    x, y = radial(30, 1)
    model = SymmetricRegressor(group="so2").fit(x, y)
    np.testing.assert_allclose(model.predict(turned(x, 1.1)), model.predict(x), rtol=1e-9, atol=1e-9)
    fresh, truth = radial(200, 2)
    assert model.score(fresh, truth) > 0.9999  # a polynomial in r² of degree 2 is among the features
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(fresh), model.predict(fresh))


def test_two_bodies_and_shifts() -> None:
    x = np.random.default_rng(3).normal(size=(60, 4))
    y = ((x[:, :2] - x[:, 2:]) ** 2).sum(1)
    model = SymmetricRegressor(group="se2", degree=2).fit(x, y)
    moved = np.concatenate([turned(x[:, :2], 0.4), turned(x[:, 2:], 0.4)], 1) + np.tile([3.0, -2.0], 2)
    np.testing.assert_allclose(model.predict(moved), model.predict(x), rtol=1e-8, atol=1e-8)
    assert model.score(x, y) > 1 - 1e-9


def test_what_cannot_be_kept_is_refused() -> None:
    x, y = radial(30, 1)
    for group, words in (("o2", "no generator reaches"), ("so3", "3 columns at a time")):
        with pytest.raises(UsageError, match=words):
            SymmetricRegressor(group=group).fit(x, y)


@pytest.mark.slow
def test_a_symmetry_is_found_where_there_is_one_and_none_where_there_is_none() -> None:
    x, y = radial(400, 4)
    model = SymmetricRegressor().fit(x, y)
    assert len(model.generators_) == 1 and model.report_.certified
    np.testing.assert_allclose(model.predict(turned(x, 2.0)), model.predict(x), rtol=1e-6, atol=1e-6)
    without = np.sin(3 * x[:, 0]) + x[:, 1] ** 3
    assert SymmetricRegressor().fit(x, without).generators_ == []


def test_rows_are_moved_along_orbits_and_each_by_itself() -> None:
    x, y = radial(50, 5)
    augmenter = GeneratorAugmenter(group="so2").fit(x)
    moved = augmenter.transform(x)
    np.testing.assert_allclose((moved**2).sum(1), (x**2).sum(1), rtol=1e-12)
    assert np.abs(moved - x).max() > 0.5
    np.testing.assert_array_equal(augmenter.transform(x[7:9]), moved[7:9])
    more, labels = augmenter.augment(x, y, copies=2)
    assert more.shape == (150, 2) and labels.shape == (150,)
    np.testing.assert_array_equal(clone(augmenter).set_params(size=0.0).fit(x).transform(x), x)
