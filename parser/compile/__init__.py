"""AST + schema → plan. The one entry is `compile_statement`."""

from __future__ import annotations

from parser.compile.statement import Compilation, compile_statement, linked_tables

__all__ = ["Compilation", "compile_statement", "linked_tables"]
