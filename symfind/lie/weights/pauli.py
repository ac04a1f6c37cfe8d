"""[iP, iQ] = ∓2 iPQ or 0: what strings of Pauli matrices generate, by their letters alone.

A string of n letters is two words of n bits, x for X and Y, z for Z and Y. Two strings anticommute if x·z′ + z·x′ is
odd; their bracket is then, up to a factor, the string (x ⊕ x′, z ⊕ z′). Strings are independent matrices, so that the
algebra over the reals of iP₁ … iP_m has as many dimensions as strings are reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from symfind.errors import InputError

_LETTERS = {"I": (0, 0), "X": (1, 0), "Y": (1, 1), "Z": (0, 1)}
# Both words of a string in one of 64 bits; 4^12 flags take 16 MiB, and 4^14 would take longer than anybody waits.
MOST_QUBITS = 13


@dataclass(frozen=True, eq=False)
class PauliClosure:
    """The strings that some generate.

    Attributes
    ----------
    qubits
        Letters n of a string.
    codes
        ``(k,)``: x in the upper, z in the lower n bits.
    growth
        Number of strings before the first round and after each that added some.
    """

    qubits: int
    codes: NDArray[np.int64]
    growth: tuple[int, ...]

    @property
    def dimension(self) -> int:
        """Of the algebra over the reals that the iP span."""
        return len(self.codes)

    def strings(self) -> list[str]:
        """All strings in letters, those given first."""
        return [_letters(int(code), self.qubits) for code in self.codes]


def pauli_closure(strings: Sequence[str]) -> PauliClosure:
    """The strings that iP₁ … iP_m generate.

    Parameters
    ----------
    strings
        Words of one length in the letters I, X, Y, Z.

    Raises
    ------
    InputError
        There are none, they differ in length, hold other letters, or are longer than is gone through.
    """
    given, n = pauli_codes(strings)
    mask = (1 << n) - 1
    seen = np.zeros(1 << (2 * n), dtype=bool)
    seen[given] = True
    found, new, growth = [given], given, [len(given)]
    while len(new):
        reached = []
        for code in given.tolist():
            odd = _parity((new >> n) & (code & mask)) ^ _parity((new & mask) & (code >> n))
            brackets = new[odd] ^ code
            fresh = brackets[~seen[brackets]]
            seen[fresh] = True
            reached.append(fresh)
        new = np.concatenate(reached)
        if len(new):
            found.append(new)
            growth.append(growth[-1] + len(new))
    return PauliClosure(n, np.concatenate(found), tuple(growth))


def pauli_codes(strings: Sequence[str]) -> tuple[NDArray[np.int64], int]:
    """Codes of strings, each once, and the number of their letters.

    Raises
    ------
    InputError
        As in :func:`pauli_closure`.
    """
    if not strings:
        raise InputError("no Pauli strings are given; give words such as XXI")
    n = len(strings[0])
    for word in strings:
        if not word or set(word) - set(_LETTERS):
            raise InputError(f"'{word[:20]}' is no Pauli string; give words of the letters I, X, Y and Z")
        if len(word) != n:
            raise InputError(f"'{word[:20]}' has {len(word)} letters, the first string {n}; fill up with I")
    if n > MOST_QUBITS:
        raise InputError(f"the Pauli strings have {n} letters, at most {MOST_QUBITS} are gone through")
    codes = []
    for word in strings:
        x = z = 0
        for letter in word:
            a, b = _LETTERS[letter]
            x, z = 2 * x + a, 2 * z + b
        codes.append((x << n) | z)
    return np.array(list(dict.fromkeys(codes)), dtype=np.int64), n


def pauli_matrices(strings: Sequence[str]) -> Tensor:
    """Matrices iP ``(m, 2ⁿ, 2ⁿ)`` of strings, complex.

    Raises
    ------
    InputError
        As in :func:`pauli_closure`.
    """
    pauli_codes(strings)
    one = {
        "I": torch.eye(2, dtype=torch.complex128),
        "X": torch.tensor([[0, 1], [1, 0]], dtype=torch.complex128),
        "Y": torch.tensor([[0, -1j], [1j, 0]], dtype=torch.complex128),
        "Z": torch.tensor([[1, 0], [0, -1]], dtype=torch.complex128),
    }
    out = []
    for word in strings:
        product = torch.ones(1, 1, dtype=torch.complex128)
        for letter in word:
            product = torch.kron(product, one[letter])
        out.append(1j * product)
    return torch.stack(out)


def _parity(words: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the number of bits is odd."""
    folded = words.copy()
    for shift in (32, 16, 8, 4, 2, 1):
        folded ^= folded >> shift
    return (folded & 1).astype(bool)


def _letters(code: int, n: int) -> str:
    names = {bits: letter for letter, bits in _LETTERS.items()}
    return "".join(names[(code >> (n + i)) & 1, (code >> i) & 1] for i in range(n - 1, -1, -1))
