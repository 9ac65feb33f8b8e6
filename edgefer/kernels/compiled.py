"""Declarations in Python with bodies in C++."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, TypeVar

from edgefer import _kernels

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)
PUBLIC = "edgefer.kernels"  # where users find them


def compiled(declaration: F) -> F:
    """The compiled operation of that name, without a Python frame; types and documentation as declared."""
    code = declaration.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    given = declaration.__defaults__ or ()
    defaults = dict(zip(names[code.co_argcount - len(given) : code.co_argcount], given, strict=True))
    defaults |= declaration.__kwdefaults__ or {}
    function = _kernels.Function(declaration.__name__, names, code.co_argcount, defaults)
    update_wrapper(function, declaration).__module__ = PUBLIC
    return function


def compiled_class(declaration: C) -> C:
    """The compiled class of that name; types and documentation as declared."""
    made = getattr(_kernels, declaration.__name__)
    made.__doc__, made.__module__ = declaration.__doc__, PUBLIC
    return made
