"""Keywords of other packages that have nothing to say here."""

from typing import Any

from .._errors import Error


def without_effect(given: dict[str, Any], *known: str) -> None:
    """Lets the `known` pass, which only say how to compute, and names any other."""
    for name in given:
        if name not in known:
            raise Error(f"{name}: no such keyword; without effect are {', '.join(known)}")


def refuse(name: str, value: Any, usual: Any, instead: str) -> None:
    """An argument that cannot be followed may only have its usual value."""
    if value is not usual and not (isinstance(value, type(usual)) and value == usual):
        raise Error(f"{name} must be {usual!r} ({instead}), got {value!r}")
