"""x^a ∏ u_J: the terms that an equation is looked for among, in nested libraries from plain to rich.

The plain library has products of two jet coordinates; the next ones add a third factor, then powers of the independent
variables. A richer library is only asked where the poorer one leaves more than the errors of the derivatives explain:
a term that nobody needs cannot be chosen then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

from symfind.errors import UsageError
from symfind.kinds.field.equation import MOST_ORDER, make_equation, parse_equation
from symfind.kinds.field.grid.jet_sample import MultiIndex
from symfind.options.option import EquationOptions


@dataclass(frozen=True)
class LibrarySettings:
    """What products a library holds.

    Attributes
    ----------
    degree
        Factors u_J of a product, at most. Three hold the cubic terms of amplitude equations.
    explicit
        Degree in the independent variables. Two hold rotations, oscillators and their squares.
    order, order_of_systems
        Space derivatives, of all factors together: four for one component on a line, fewer where there are more
        coordinates, whose products grow with the power of the degree.
    most
        Terms of a library: a larger one is not tried, for fewer points than some dozens a term tell nothing.
    user
        Terms that a user names; they are in every library.
    """

    degree: int = 3
    explicit: int = 2
    order: int = 4
    order_of_systems: int = 3
    most: int = 200
    user: tuple[str, ...] = ()

    def highest(self, independent: Sequence[str], dependent: Sequence[str]) -> int:
        """Space derivatives of one term, at most."""
        if len(independent) == 2 and len(dependent) == 1:
            return self.order
        # Two space axes and several components: what is second order there has a hundred cubic products.
        return self.order_of_systems - (len(independent) > 2 and len(dependent) > 1)


def user_terms(text: str | None, independent: Sequence[str], dependent: Sequence[str]) -> tuple[str, ...]:
    """The terms of ``sin(x)*u_xx; exp(-u)``.

    Raises
    ------
    UsageError
        One of them does not parse.
    """
    terms = tuple(part.strip() for part in (text or "").split(";") if part.strip())
    for term in terms:
        parse_equation(f"{dependent[0]}_{independent[0]} = {term}", independent, dependent)
        if "=" in term:
            raise UsageError(f"'{term}' is no term; give terms without '=', separated by ';'")
    return terms


def asked_library(options: EquationOptions, independent: Sequence[str], dependent: Sequence[str]) -> LibrarySettings:
    """The settings that ``--library`` and ``--library-degree`` ask for.

    Raises
    ------
    UsageError
        A term does not parse.
    """
    return LibrarySettings(degree=options.library_degree, user=user_terms(options.library, independent, dependent))


@dataclass(frozen=True)
class Library:
    """Terms f_l of ∂_t^target u = Σ a_l f_l.

    Attributes
    ----------
    terms
        As they are written in an equation.
    target
        1 or 2.
    plain
        Whether it is the first, whose coefficients may depend on time: in a rich one they would explain anything.
    order
        Space derivatives of one term, at most. What is differentiated less often is resolved at more times.
    """

    terms: tuple[str, ...]
    target: int
    plain: bool = True
    order: int = 4

    def orders(self, independent: Sequence[str], dependent: Sequence[str]) -> tuple[MultiIndex, ...]:
        """Every J that identification and the determining equations of what it can find may need."""
        targets = [f"{u}_{independent[0] * self.target}" for u in dependent]
        # A tree of hundreds of sums is deeper than is parsed: an equation a term asks for the same derivatives.
        found: set[MultiIndex] = set()
        for part in (*targets, *self.terms):
            if any(f"{u}_" in part for u in dependent):
                found |= set(make_equation(part, [part], independent, dependent, None, ()).needed)
        return tuple(sorted(found, key=lambda j: (sum(j), j)))


def libraries(
    independent: Sequence[str], dependent: Sequence[str], target: int = 1, settings: LibrarySettings | None = None
) -> tuple[Library, ...]:
    """From plain to rich: two factors; more; one order more (of one component on a line); explicit variables.

    For ``target`` 2 first derivatives by t are factors too: u_tt + u_t = u_xx.
    """
    settings = settings or LibrarySettings()
    highest = settings.highest(independent, dependent)
    factors = _factors(independent, dependent, highest)
    rates = _rates(independent, dependent) if target == 2 else []
    # Rates of several components multiply nothing: a library of all products would have more terms than are told apart.
    whole = factors | dict.fromkeys(rates, 0) if len(dependent) == 1 and len(independent) == 2 else factors
    plain = [*_products(whole, min(2, settings.degree), highest), *rates]
    cubes = ["*".join(p) for p in combinations_with_replacement(dependent, 3)] if settings.degree > 2 else []
    if len(independent) > 2 or len(dependent) > 1:
        cubes = []
    rich = [*_products(whole, settings.degree, highest), *rates]
    powers = [
        "*".join(p)
        for degree in range(1, settings.explicit + 1)
        for p in combinations_with_replacement(independent, degree)
    ]
    # With two space axes there are nine powers: they multiply what is linear.
    moved = plain if len(whole) <= 5 else [*_products(factors, 1, highest), *rates]
    explicit = [*plain, *powers, *(f"{p}*{term}" for p, term in product(powers, moved) if term != "1")]
    lists = [([*plain, *cubes], highest), (rich, highest), (explicit, highest)]
    if len(dependent) == 1 and len(independent) == 2 and highest < MOST_ORDER and target == 1:
        higher = _products(_factors(independent, dependent, highest + 1), settings.degree, highest + 1)
        lists.insert(2, (higher, highest + 1))
    out: list[Library] = []
    for terms, order in lists:
        library = Library(tuple(dict.fromkeys((*terms, *settings.user))), target, plain=not out, order=order)
        if not out or (len(library.terms) <= settings.most and all(library.terms != other.terms for other in out)):
            out.append(library)
    return tuple(out)


def _factors(independent: Sequence[str], dependent: Sequence[str], highest: int) -> dict[str, int]:
    """Jet coordinates without a derivative by t, and their order."""
    out: dict[str, int] = {}
    for u in dependent:
        out[u] = 0
        for order in range(1, min(highest, MOST_ORDER) + 1):
            for letters in combinations_with_replacement(independent[1:], order):
                out[f"{u}_{''.join(letters)}"] = order
    return out


def _rates(independent: Sequence[str], dependent: Sequence[str]) -> list[str]:
    """u_t and u_tx, by which an equation of second order in t may be damped or carried."""
    t, *space = independent
    return [f"{u}_{t}{x}" for u in dependent for x in ("", *space)]


def _products(factors: dict[str, int], degree: int, highest: int) -> list[str]:
    """1 and the products of so many factors whose orders sum up to at most the highest."""
    out = ["1"]
    for count in range(1, degree + 1):
        for p in combinations_with_replacement(factors, count):
            if sum(factors[f] for f in p) <= highest:
                out.append("*".join(p))
    return out
