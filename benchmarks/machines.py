"""One answer whatever the processor: the quick tests, and the samples' verdicts, under the arithmetic of others.

    python -m benchmarks.machines tests                              # the quick tests in every setting, in turn
    python -m benchmarks.machines tests --setting old tests/linalg   # in one of them, some of the tests
    python -m benchmarks.machines samples                            # the same verdicts in all, or exit 1

torch, MKL and OpenBLAS choose their loops by the processor, and add up in another order on each. Environment variables
make them choose those of an older one, so one machine stands for several. Measured on a processor with AVX-512, torch
2.13 with MKL 2024.2, scipy 1.17 with OpenBLAS 0.3.30:

- ``ATEN_CPU_CAPABILITY=default`` changes torch's own loops (sigmoid, powers, atan2, addcmul), no matrix product;
- ``MKL_CBWR`` and ``MKL_ENABLE_INSTRUCTIONS`` change the matrix products, decompositions, exp and sin of torch; the
  first also where the processor is none of Intel's;
- ``OPENBLAS_CORETYPE`` changes the same of numpy and scipy;
- a second thread changes decompositions.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "sample_data"
HERE = "here"
SETTINGS: dict[str, dict[str, str]] = {
    HERE: {"OMP_NUM_THREADS": "1"},
    # A processor of 2008, without AVX.
    "old": {
        "OMP_NUM_THREADS": "1",
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Nehalem",
    },
    # One of 2013, without AVX-512.
    "avx2": {
        "OMP_NUM_THREADS": "1",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    },
    "scalar": {"OMP_NUM_THREADS": "1", "ATEN_CPU_CAPABILITY": "default"},
    "two-threads": {"OMP_NUM_THREADS": "2"},
}
# Digests of a matrix product, a decomposition and a function by torch, and of a product by numpy.
_PROBE = """
import hashlib, numpy, torch
a = torch.randn(300, 77, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
values = [a.T @ a, torch.linalg.svdvals(a), a.sigmoid(), torch.from_numpy(a.numpy().T @ a.numpy())]
print(" ".join(hashlib.sha256(v.numpy().tobytes()).hexdigest()[:8] for v in values))
"""


def environment(setting: str) -> dict[str, str]:
    """The variables of this process, and those of the setting in place of any it has."""
    every = {name for changes in SETTINGS.values() for name in changes}
    return {k: v for k, v in os.environ.items() if k not in every} | SETTINGS[setting]


def ask_here(setting: str, *arguments: str) -> str:
    """What Python prints in a setting."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=environment(setting), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{setting}: {' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout


def tell_effects() -> None:
    """Which settings compute otherwise than this machine does by itself."""
    digests = {setting: ask_here(setting, "-c", _PROBE).split() for setting in SETTINGS}
    for setting, found in digests.items():
        names = ("products", "decompositions", "functions", "products of numpy")
        differs = [name for name, own, base in zip(names, found, digests[HERE], strict=True) if own != base]
        print(f"{setting}: {', '.join(differs) or 'the same arithmetic'}", flush=True)


def run_tests(settings: Sequence[str], arguments: Sequence[str]) -> int:
    """The quick tests in each of the settings; the number of settings in which some failed."""
    failed = []
    for setting in settings:
        # Two processes of one thread, or one of two: the machines of CI have two cores.
        processes = "0" if SETTINGS[setting]["OMP_NUM_THREADS"] == "2" else "2"
        print(f"=== {setting}: {' '.join(f'{k}={v}' for k, v in SETTINGS[setting].items())}", flush=True)
        command = [sys.executable, "-m", "pytest", "-n", processes, *arguments]
        if subprocess.run(command, env=environment(setting), cwd=ROOT, check=False).returncode:
            failed.append(setting)
    print(f"failed under: {', '.join(failed)}" if failed else "green under all of them")
    return len(failed)


def asked_of_samples() -> dict[str, tuple[str, ...]]:
    """Command lines of ``symfind``, by name."""
    asked = {path.name: ("discover", str(path)) for path in sorted(SAMPLES.glob("*.h5"))}
    asked["o5.pt"] = ("discover", str(SAMPLES / "o5.pt"), "--data", str(SAMPLES / "o5.h5"))
    asked["kepler.h5, same"] = ("discover", str(SAMPLES / "kepler.h5"), "--output-action", "same")
    asked["no_symmetry.h5, affine"] = ("discover", str(SAMPLES / "no_symmetry.h5"), "--space", "affine")
    return asked


def verdicts(report: Mapping[str, Any]) -> dict[str, Any]:
    """What must not depend on the machine: each generator's verdict and name, the algebra's dimension and name."""
    algebra = report["algebra"] or {}
    return {
        "generators": [f"{g['verdict']}: {g['expression']}" for g in report["generators"]],
        "dimension": algebra.get("dimension"),
        "algebra": algebra.get("name"),
        "equation": (report.get("equation") or {}).get("text"),
    }


def compare_samples() -> int:
    """The number of samples whose verdicts are not the same in all settings."""
    tell_effects()
    differing = 0
    for name, arguments in asked_of_samples().items():
        ask = partial(_report, arguments)
        with ThreadPoolExecutor(2) as pool:
            found = dict(zip(SETTINGS, pool.map(ask, SETTINGS), strict=True))
        others = {setting: told for setting, told in found.items() if told != found[HERE]}
        differing += bool(others)
        base = found[HERE]
        certified = sum(g.startswith("certified") for g in base["generators"])
        print(f"{name}: {base['algebra']}, {certified} certified; {'DIFFERS' if others else 'the same'}", flush=True)
        for setting, told in others.items():
            for key, value in told.items():
                if value != base[key]:
                    print(f"  {key}\n    {HERE}: {base[key]}\n    {setting}: {value}", flush=True)
    return differing


def _report(arguments: Sequence[str], setting: str) -> dict[str, Any]:
    return verdicts(json.loads(ask_here(setting, "-m", "symfind", *arguments, "--output", "-", "--format", "json")))


def main() -> None:
    """Exit 1 if a test fails or a verdict differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("tests", "samples"))
    parser.add_argument("--setting", choices=tuple(SETTINGS), help="one of them; of tests all but 'here' by default")
    options, arguments = parser.parse_known_args()
    if options.what == "samples":
        sys.exit(bool(compare_samples()))
    settings = [options.setting] if options.setting else [s for s in SETTINGS if s != HERE]
    sys.exit(bool(run_tests(settings, arguments)))


if __name__ == "__main__":
    main()
