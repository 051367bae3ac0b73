"""The compilers that need each other, put together: every context is made with them."""

from __future__ import annotations

from typing import Final

from parser.compile.base.context import Compilers
from parser.compile.expression.calls import call
from parser.compile.query.query import compile_query

COMPILERS: Final = Compilers(call, compile_query)
