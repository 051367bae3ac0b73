"""The compilers that need each other, put together: every context is made with them."""

from __future__ import annotations

from typing import Final

from dirk_parser.compile.base.context import Compilers
from dirk_parser.compile.expression.calls import call
from dirk_parser.compile.query.query import compile_query

COMPILERS: Final = Compilers(call, compile_query)
