"""Reports to write, read, draw and print: made up, with every part filled."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch

from symfind.schema.algebra import Algebra, PreservedForm
from symfind.schema.coverage import Coverage
from symfind.schema.document import Environment, Fit, Generator, Report, SetApart, Source, Space, SpectrumEntry


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small tensors: threads cost more than they bring, and tests that run side by side would share cores.

    OMP_NUM_THREADS asks for more: two threads round otherwise than one (``make test-machines``).
    """
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


@pytest.fixture(scope="session")
def rotation_report() -> Report:
    """One certified rotation of the plane."""
    return Report(
        source=Source(
            path="disc.h5", sha256="ab" * 32, kind="function", shapes={"x": (100, 2), "y": (100, 1)}, names=("x", "y")
        ),
        settings={"tolerance": 0.05, "space": "linear", "shape": None, "close": False, "seed": 0},
        environment=Environment(symfind="0.1.0", torch="2.13.0", device="cpu", dtype="float64", threads=2),
        fit=Fit(surrogate="polynomial ridge", degree=2, r2=1.0),
        space=Space(name="linear", dimension=4),
        spectrum=(
            SpectrumEntry(defect=1e-13, lower=0.0, upper=2e-13),
            SpectrumEntry(defect=0.7, lower=0.6, upper=0.8),
            SpectrumEntry(defect=0.9),
        ),
        generators=(
            Generator(
                expression="x ∂y − y ∂x",
                latex=r"x\,\partial_{y} - y\,\partial_{x}",
                defect=1e-13,
                lower=0.0,
                upper=2e-13,
                verdict="certified",
                reach=3.0,
                coefficients=(0.0, 1.0, -1.0, 0.0),
                input_action=((0.0, -1.0), (1.0, 0.0)),
            ),
        ),
        set_apart=(SetApart(expression="x ∂x", reason="gauge"),),
        algebra=Algebra(
            dimension=1,
            name="so(2)",
            closure=0.0,
            killing_signature=(0, 0),
            structure_constants=(((0.0,),),),
            preserved_forms=(PreservedForm(matrix=((1.0, 0.0), (0.0, 1.0)), signature=(2, 0), uncertainty=0.0),),
        ),
        coverage=Coverage(factor=0.0, rank=4, message="all 4 directions of the space"),
        warnings=("a warning",),
        timing={"read": 0.5, "fit": 1.25},
    )


@pytest.fixture(scope="session")
def lorentz_report(rotation_report: Report) -> Report:
    """Six certified generators of so(1,3) in the names of a four-momentum."""
    rotations = ("px ∂py − py ∂px", "py ∂pz − pz ∂py", "pz ∂px − px ∂pz")
    boosts = ("E ∂px + px ∂E", "E ∂py + py ∂E", "E ∂pz + pz ∂E")
    generators = tuple(
        Generator(expression=expression, defect=5e-13, lower=4e-13, upper=7e-13, verdict="certified", reach=3.0)
        for expression in rotations + boosts
    )
    below = tuple(SpectrumEntry(defect=5e-13, lower=4e-13, upper=7e-13) for _ in generators)
    above = tuple(SpectrumEntry(defect=0.12 + 0.1 * i, lower=0.11 + 0.1 * i, upper=0.14 + 0.1 * i) for i in range(10))
    return replace(
        rotation_report,
        source=Source(
            path="dimuons.h5",
            sha256="cd" * 32,
            kind="function",
            shapes={"x": (2304, 2, 4), "y": (2304, 1)},
            names=("E", "px", "py", "pz"),
        ),
        space=Space(name="linear", dimension=16),
        spectrum=below + above,
        generators=generators,
        set_apart=(),
        algebra=Algebra(
            dimension=6,
            name="so(1,3)",
            aliases=("sl(2,C)",),
            closure=3e-13,
            semisimple=True,
            solvable=False,
            compact=False,
            killing_signature=(3, 3),
            simple=True,
            preserved_forms=(
                PreservedForm(
                    matrix=((1, 0, 0, 0), (0, -1, 0, 0), (0, 0, -1, 0), (0, 0, 0, -1)),
                    signature=(1, 3),
                    uncertainty=2e-11,
                ),
            ),
        ),
        coverage=Coverage(factor=0.0, rank=16, message="all 16 directions of the space"),
        warnings=(),
    )
