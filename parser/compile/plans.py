"""Plans by statement template: a repeated template costs a few look-ups, no grammar and no compiler."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

from cachetools import LRUCache

from dirk_parser.compile.statement import Compilation, compile_statement, linked_tables
from dirk_parser.grammar.statements import CACHED_TEMPLATE_CHARACTERS, Statements
from dirk_parser.normalize.literals import PlanGuard, guard_value
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.plan.plan import DdlPlan, Plan
from dirk_parser.schema.schema import Schema

_MAX_PLANS = 2_048
#: One template with so many plans (an IN list of literals written out, say) is no reason to forget all others.
_MAX_SHAPES = 4_096


@dataclass(slots=True)
class _Kept:
    """A plan and the serial of the schema for which it was last found good."""

    compilation: Compilation
    serial: int


class Plans:
    """One database's plans, least recently used first out. Safe to use from any thread.

    A plan is found by its template, whether it is for a write, and what its compilation looked at in the literals
    (ordinals, the words of date functions, everything in DDL). It stays good across DDL that did not touch what
    it was compiled against.
    """

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._lock = Lock()
        self._guards: LRUCache[str, tuple[PlanGuard, ...]] = LRUCache(_MAX_SHAPES)
        self._plans: LRUCache[tuple[object, ...], _Kept] = LRUCache(_MAX_PLANS)
        #: Plans that the template alone leads to, without a lock: whoever finds one here changes nothing.
        self._settled: dict[tuple[str, bool], _Kept] = {}

    def plan(self, normalized: NormalizedStatement, schema: Schema, for_write: bool) -> Plan:
        """The plan of a statement against `schema`. Raises SqlError as the parser and the compiler do."""
        settled = self._settled.get((normalized.template, for_write))
        if settled is not None and settled.serial == schema.serial:
            return settled.compilation.plan
        with self._lock:
            guards = self._guards.get(normalized.template)
            if guards is not None:
                kept = self._plans.get(_key(normalized, guards, for_write))
                if kept is not None and _still_good(kept, schema):
                    if not guards:
                        self._settle(normalized.template, for_write, kept)
                    return kept.compilation.plan
        return self._compile(normalized, schema, for_write)

    def is_settled_by_template(self, template: str) -> bool:
        """True when the plan of a template is the same whatever its literals are."""
        with self._lock:
            return self._guards.get(template) == ()

    def _compile(self, normalized: NormalizedStatement, schema: Schema, for_write: bool) -> Plan:
        compilation = compile_statement(self._statements.parse(normalized), normalized, schema, for_write)
        is_once = isinstance(compilation.plan, DdlPlan) or not compilation.reusable
        if is_once or len(normalized.template) > CACHED_TEMPLATE_CHARACTERS:
            # What a DDL may do depends on all that uses the object; and neither it nor a text this long comes twice.
            return compilation.plan
        with self._lock:
            # What another literal made the compiler look at stays looked at: keys then tell all plans apart.
            guards = tuple(sorted(compilation.guards.union(self._guards.get(normalized.template, ()))))
            self._guards[normalized.template] = guards
            if guards:
                for is_write in (True, False):
                    self._settled.pop((normalized.template, is_write), None)
            self._plans[_key(normalized, guards, for_write)] = _Kept(compilation, schema.serial)
        return compilation.plan

    def _settle(self, template: str, for_write: bool, kept: _Kept) -> None:
        if len(self._settled) >= _MAX_PLANS:
            self._settled.clear()
        self._settled[template, for_write] = kept


def _key(normalized: NormalizedStatement, guards: tuple[PlanGuard, ...], for_write: bool) -> tuple[object, ...]:
    return (normalized.template, for_write, *[guard_value(normalized, guard) for guard in guards])


def _still_good(kept: _Kept, schema: Schema) -> bool:
    """True when everything that the plan was compiled against is still there, unchanged."""
    if kept.serial == schema.serial:
        return True
    now = {"table": schema.tables, "view": schema.views, "domain": schema.domains}
    if any(now[kind].get(key) is not thing for kind, key, thing in kept.compilation.found):
        return False
    linked = linked_tables(schema, kept.compilation.plan)
    if len(linked) != len(kept.compilation.linked):
        return False
    if any(a is not b for a, b in zip(linked, kept.compilation.linked, strict=True)):
        return False
    kept.serial = schema.serial
    return True
