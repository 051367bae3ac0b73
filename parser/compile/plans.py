"""Plans by statement shape: a repeated shape costs a few look-ups, no grammar and no compiler."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

from cachetools import LRUCache

from dirk_parser.compile.statement import Compilation, compile_statement, linked_tables
from dirk_parser.grammar.statements import CACHED_SHAPE_CHARACTERS, Statements
from dirk_parser.normalize.literals import Look, observe
from dirk_parser.normalize.template import Shaped
from dirk_parser.plan.plan import Ddl, Plan
from dirk_parser.schema.schema import Schema

_MAX_PLANS = 2_048
#: One shape with so many plans (an IN list of literals written out, say) is no reason to forget all others.
_MAX_SHAPES = 4_096


@dataclass(slots=True)
class _Kept:
    """A plan and the serial of the schema for which it was last found good."""

    compilation: Compilation
    serial: int


class Plans:
    """One database's plans, least recently used first out. Safe to use from any thread.

    A plan is found by its shape, whether it is for a write, and what its compilation looked at in the literals
    (ordinals, the words of date functions, everything in DDL). It stays good across DDL that did not touch what
    it was compiled against.
    """

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._lock = Lock()
        self._looks: LRUCache[str, tuple[Look, ...]] = LRUCache(_MAX_SHAPES)
        self._plans: LRUCache[tuple[object, ...], _Kept] = LRUCache(_MAX_PLANS)
        #: Plans that the shape alone leads to, without a lock: whoever finds one here changes nothing.
        self._settled: dict[tuple[str, bool], _Kept] = {}

    def plan(self, shaped: Shaped, schema: Schema, for_write: bool) -> Plan:
        """The plan of a statement against `schema`. Raises SqlError as the parser and the compiler do."""
        settled = self._settled.get((shaped.shape, for_write))
        if settled is not None and settled.serial == schema.serial:
            return settled.compilation.plan
        with self._lock:
            looks = self._looks.get(shaped.shape)
            if looks is not None:
                kept = self._plans.get(_key(shaped, looks, for_write))
                if kept is not None and _still_good(kept, schema):
                    if not looks:
                        self._settle(shaped.shape, for_write, kept)
                    return kept.compilation.plan
        return self._compile(shaped, schema, for_write)

    def is_settled_by_shape(self, shape: str) -> bool:
        """Whether the plan of a shape is the same whatever its literals are."""
        with self._lock:
            return self._looks.get(shape) == ()

    def _compile(self, shaped: Shaped, schema: Schema, for_write: bool) -> Plan:
        compilation = compile_statement(self._statements.parse(shaped), shaped, schema, for_write)
        is_once = isinstance(compilation.plan, Ddl) or not compilation.reusable
        if is_once or len(shaped.shape) > CACHED_SHAPE_CHARACTERS:
            # What a DDL may do depends on all that uses the object; and neither it nor a text this long comes twice.
            return compilation.plan
        with self._lock:
            # What another literal made the compiler look at stays looked at: keys then tell all plans apart.
            looks = tuple(sorted(compilation.looks.union(self._looks.get(shaped.shape, ()))))
            self._looks[shaped.shape] = looks
            if looks:
                for each in (True, False):
                    self._settled.pop((shaped.shape, each), None)
            self._plans[_key(shaped, looks, for_write)] = _Kept(compilation, schema.serial)
        return compilation.plan

    def _settle(self, shape: str, for_write: bool, kept: _Kept) -> None:
        if len(self._settled) >= _MAX_PLANS:
            self._settled.clear()
        self._settled[shape, for_write] = kept


def _key(shaped: Shaped, looks: tuple[Look, ...], for_write: bool) -> tuple[object, ...]:
    return (shaped.shape, for_write, *[observe(shaped, look) for look in looks])


def _still_good(kept: _Kept, schema: Schema) -> bool:
    """Whether everything that the plan was compiled against is still there, unchanged."""
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
