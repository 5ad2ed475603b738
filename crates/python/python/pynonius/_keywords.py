"""Keyword arguments whose defaults are those of the Rust crates."""

import inspect
import keyword
from collections.abc import Callable
from typing import TypeVar

from . import _native

F = TypeVar("F", bound=Callable[..., object])


def keywords_of(params: type) -> Callable[[F], F]:
    """Shows the parameters behind ``**params`` with their defaults where tools look for a signature."""

    def with_signature(function: F) -> F:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        defaults = _native.defaults(params.__name__)
        taken = {p.name for p in own}
        further = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
            for name, default in defaults.items()
            if name not in taken and not keyword.iskeyword(name)
        ]
        function.__signature__ = signature.replace(parameters=own + further)  # type: ignore[attr-defined]
        return function

    return with_signature
