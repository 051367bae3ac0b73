"""Tables with constraints, indexes and foreign keys in both languages, changed in all ways that a table can be."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.parser.twin_text import Choices, Twin, their_literal

_NUMBERS = (0, 1, 2, 3, 1.5, -1)
_WORDS = ("a", "b", "é", "A", "", "7", "'", "日本")
_NAMES = ("a", "b", "`select`", "élève", "anarana")
_TYPEOF = {"number": "'integer', 'real', 'null'", "text": "'text', 'null'"}
_DOMAINS = {"number": ("ISA", "isa(null, null)", "numeric"), "text": ("LAHATSORATRA", "text"), "any": ("",)}
_ACTIONS = ("", "", "CASCADE", "SET NULL", "RESTRICT", "NO ACTION")


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column: what both call it, and what it holds (number, text, any). `is_free`: nothing but itself names it."""

    ours: str
    theirs: str
    kind: str
    is_free: bool = True


@dataclass(slots=True)
class TwinTable:
    """A table of both, with the column groups that are unique; `computed` columns are given no values."""

    ours: str
    theirs: str
    columns: list[TableColumn] = field(default_factory=list)
    unique: list[list[TableColumn]] = field(default_factory=list)
    computed: list[TableColumn] = field(default_factory=list)

    @property
    def shown(self) -> list[TableColumn]:
        """All columns."""
        return [*self.columns, *self.computed]


class TwinTables:
    """Makes definitions and changes of up to two tables, the second of which refers to the first."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.tables: list[TwinTable] = []
        self._made = 0

    # --- definitions ---

    def create(self) -> Twin:
        """CREATE TABLE."""
        choices, number = self.choices, len(self.tables)
        table = TwinTable(("t", "`ny faharoa`")[number], f"t{number}")
        parts = [self._column(table, place) for place in range(2 + choices.below(3))]
        if choices.chance(40):
            parts.append(self._computed(table, f"w{number}"))
        if table.unique == [] or choices.chance(30):
            group = table.columns[: 1 + choices.below(2)]
            word = "UNIQUE" if table.unique and choices.chance(50) else ""
            key = choices.words("UNIQUE") if word else choices.words("PRIMARY", "KEY")
            if not word:
                # Only SQLite lets nulls into a primary key.
                parts[: len(group)] = [replace(each, theirs=f"{each.theirs} NOT NULL") for each in parts[: len(group)]]
            parts.append(self._key(table, group, key, word))
        if number and choices.chance(80):
            parts += self._foreign(table)
        self.tables.append(table)
        ours, theirs = ", ".join(each.ours for each in parts), ", ".join(each.theirs for each in parts)
        head = choices.words("CREATE", "TABLE")
        return Twin(f"{head} {table.ours} ({ours})", f"CREATE TABLE {table.theirs} ({theirs})")

    def _key(self, table: TwinTable, group: list[TableColumn], ours: str, word: str) -> Twin:
        table.unique.append(group)
        table.columns = [replace(each, is_free=each.is_free and each not in group) for each in table.columns]
        theirs = f"{word or 'PRIMARY KEY'} ({', '.join(each.theirs for each in group)})"
        return Twin(f"{ours} ({', '.join(each.ours for each in group)})", theirs)

    def _column(self, table: TwinTable, place: int) -> Twin:
        choices = self.choices
        kind = choices.pick(("number", "text", "any"))
        column = TableColumn(_NAMES[place], f"c{place}", kind)
        ours, theirs = f"{column.ours} {choices.pick(_DOMAINS[kind])}", column.theirs
        theirs += f" CHECK (typeof({theirs}) IN ({_TYPEOF[kind]}))" if kind in _TYPEOF else ""
        if choices.chance(20):
            ours, theirs = f"{ours} {choices.words('NOT', 'NULL')}", f"{theirs} NOT NULL"
        if choices.chance(30):
            value = self._constant(kind)
            ours, theirs = f"{ours} {choices.words('DEFAULT')} {value.ours}", f"{theirs} DEFAULT {value.theirs}"
        if choices.chance(15):
            value = self._constant(kind)
            ours += f" {choices.word('CHECK')} ({column.ours} <> {value.ours})"
            theirs += f" CHECK ({column.theirs} <> {value.theirs})"
        if choices.chance(25):
            ours, theirs = f"{ours} {choices.word('UNIQUE')}", f"{theirs} UNIQUE"
            column = replace(column, is_free=False)
            table.unique.append([column])
        table.columns.append(column)
        return Twin(ours, theirs)

    def _computed(self, table: TwinTable, name: str) -> Twin:
        """A column that is computed from one or two others."""
        choices = self.choices
        used, other = choices.pick(table.columns), choices.pick(table.columns)
        form = choices.pick(("length({})", "coalesce({}, {})", "typeof({}) || 'x'", "({} = {})", "abs({}) + 1", "{}"))
        value = Twin(form.format(used.ours, other.ours), form.format(used.theirs, other.theirs))
        storage = choices.pick(("", " VIRTUAL", " STORED"))
        head = choices.pick(("AS", "antso", "GENERATED ALWAYS AS", "generated always antso"))
        tail = choices.pick(("", "", "UNIQUE", "NOT NULL"))
        column = TableColumn(name, name, "any", False)
        table.computed.append(column)
        if tail == "UNIQUE":
            table.unique.append([column])
        table.columns = [replace(each, is_free=each.is_free and each not in (used, other)) for each in table.columns]
        ours = f"{name} {head} ({value.ours}){storage} {choices.words(*tail.split())}"
        return Twin(ours, f"{name} AS ({value.theirs}){storage} {tail}")

    def _foreign(self, table: TwinTable) -> list[Twin]:
        parent, choices = self.tables[0], self.choices
        group = choices.pick(parent.unique)
        mine = table.columns[: len(group)]
        if len(mine) < len(group):
            return []
        table.columns = [replace(each, is_free=each.is_free and each not in mine) for each in table.columns]
        parent.columns = [replace(each, is_free=each.is_free and each not in group) for each in parent.columns]
        action = choices.pick(_ACTIONS)
        tail = f" ON DELETE {action}" if action else ""
        key = f"{choices.words('FOREIGN', 'KEY')} ({', '.join(each.ours for each in mine)})"
        ours = f"{key} {choices.word('REFERENCES')} {parent.ours} ({', '.join(each.ours for each in group)}){tail}"
        theirs = f"FOREIGN KEY ({', '.join(each.theirs for each in mine)})"
        theirs += f" REFERENCES {parent.theirs} ({', '.join(each.theirs for each in group)}){tail}"
        return [Twin(ours, theirs)]

    def index(self) -> Twin:
        """CREATE INDEX on columns or an expression, of some rows or all."""
        choices, table = self.choices, self._table()
        unique = choices.chance(25)
        name, column = choices.fresh("i"), choices.pick(table.columns)
        other = choices.pick(table.columns)
        terms = Twin(column.ours, column.theirs)
        if choices.chance(30):
            terms = Twin(f"halava({column.ours})", f"length({column.theirs})")
        elif choices.chance(50) and other != column:
            terms = Twin(f"{column.ours}, {other.ours} {choices.word('DESC')}", f"{column.theirs}, {other.theirs} DESC")
        kept = self._test(table) if choices.chance(30) else None
        table.columns = [replace(each, is_free=False) for each in table.columns]
        words = choices.words("CREATE", *(["UNIQUE"] if unique else []), "INDEX")
        ours = f"{words} {name} {choices.pick(('@', 'ON', 'ka'))} {table.ours} ({terms.ours})"
        theirs = f"CREATE {'UNIQUE ' if unique else ''}INDEX {name} ON {table.theirs} ({terms.theirs})"
        return _where(choices, ours, theirs, kept)

    def alter(self) -> Twin:
        """ALTER TABLE, in the forms that both have."""
        choices, table = self.choices, self._table()
        head = f"{choices.words('ALTER', 'TABLE')} {table.ours}"
        free = [each for each in table.columns if each.is_free]
        form = choices.below(4)
        if form == 0:
            name = choices.fresh("v")
            table.columns = [*table.columns, TableColumn(name, name, "any", True)]
            value = self._constant("any")
            ours = f"{head} {choices.words('ADD', 'COLUMN')} {name} {choices.word('DEFAULT')} {value.ours}"
            return Twin(ours, f"ALTER TABLE {table.theirs} ADD COLUMN {name} DEFAULT {value.theirs}")
        alone = len(self.tables) == 1
        if form == 1 and alone and len(free) > 1 and len(table.columns) > 2:
            gone = choices.pick(free)
            table.columns = [each for each in table.columns if each != gone]
            return Twin(
                f"{head} {choices.words('DROP', 'COLUMN')} {gone.ours}",
                f"ALTER TABLE {table.theirs} DROP COLUMN {gone.theirs}",
            )
        if form == 2 and alone:
            table.ours = choices.fresh("n")
            return Twin(f"{head} {choices.words('RENAME', 'TO')} {table.ours}", "")
        return self.index()

    # --- changes ---

    def change(self) -> Twin:
        """INSERT, UPDATE or DELETE."""
        form = self.choices.below(8)
        if form <= 4:
            return self._insert()
        return self._update() if form <= 6 else self._delete()

    def _insert(self) -> Twin:
        choices, table = self.choices, self._table()
        form = choices.pick(("values", "values", "values", "select", "defaults"))
        conflict = choices.pick(("", "", "", "", " OR IGNORE", " OR REPLACE"))
        ours = f"{choices.word('INSERT')}{conflict} {choices.pick(('INTO', 'ao@'))} {table.ours}"
        theirs = f"INSERT{conflict} INTO {table.theirs}"
        if form == "defaults":
            return self._returning(table, f"{ours} DEFAULT {choices.word('VALUES')}", f"{theirs} DEFAULT VALUES")
        columns = table.columns[: 1 + choices.below(len(table.columns))] if choices.chance(40) else table.columns
        if columns is not table.columns or choices.chance(30):
            ours += f" ({', '.join(each.ours for each in columns)})"
            theirs += f" ({', '.join(each.theirs for each in columns)})"
        # A value outside its domain is refused by OR IGNORE too, which SQLite's CHECK is not.
        strict = "IGNORE" in conflict
        if form == "values":
            rows = choices.several(1, 4, lambda: [self._value(each.kind, strict) for each in columns])
            ours += f" {choices.word('VALUES')} " + ", ".join(f"({_list(row)})" for row in rows)
            theirs += " VALUES " + ", ".join(f"({', '.join(each.theirs for each in row)})" for row in rows)
        else:
            source, values = self._table(), [self._value(each.kind, strict) for each in columns]
            ours += f" {choices.word('SELECT')} {_list(values)} {choices.clause('FROM')} {source.ours}"
            theirs += f" SELECT {', '.join(each.theirs for each in values)} FROM {source.theirs}"
            limit = choices.below(3)
            ours, theirs = f"{ours} {choices.clause('WHERE')} 1 {choices.word('LIMIT')} {limit}", f"{theirs} WHERE 1"
            theirs += f" LIMIT {limit}"
        if not conflict and choices.chance(40) and table.unique:
            ours, theirs = self._upsert(table, ours, theirs)
        return self._returning(table, ours, theirs)

    def _upsert(self, table: TwinTable, ours: str, theirs: str) -> tuple[str, str]:
        choices = self.choices
        on = choices.word("ON")
        if choices.chance(40):
            return f"{ours} {on} CONFLICT DO NOTHING", f"{theirs} ON CONFLICT DO NOTHING"
        group, column = choices.pick(table.unique), choices.pick(table.columns)
        value = choices.pick(
            (
                Twin(f"excluded.{column.ours}", f"excluded.{column.theirs}"),
                self._value(column.kind),
                Twin(f"coalesce({column.ours}, 1)", f"coalesce({column.theirs}, 1)"),
            )
        )
        ours += f" {on} CONFLICT ({', '.join(each.ours for each in group)}) DO {choices.word('UPDATE')}"
        ours += f" {choices.word('SET')} {column.ours} = {value.ours}"
        theirs += f" ON CONFLICT ({', '.join(each.theirs for each in group)})"
        theirs += f" DO UPDATE SET {column.theirs} = {value.theirs}"
        if choices.chance(30):
            found = _where(choices, ours, theirs, Twin(f"excluded.{column.ours} > 1", f"excluded.{column.theirs} > 1"))
            return found.ours, found.theirs
        return ours, theirs

    def _update(self) -> Twin:
        choices, table = self.choices, self._table()
        column, other = choices.pick(table.columns), choices.pick(table.columns)
        value = self._assigned(table, column)
        ours = f"{choices.word('UPDATE')} {table.ours} {choices.clause('SET')} "
        theirs = f"UPDATE {table.theirs} SET "
        if other != column and choices.chance(40):
            second = self._assigned(table, other)
            ours += f"({column.ours}, {other.ours}) = ({value.ours}, {second.ours})"
            theirs += f"({column.theirs}, {other.theirs}) = ({value.theirs}, {second.theirs})"
        else:
            ours, theirs = f"{ours}{column.ours} = {value.ours}", f"{theirs}{column.theirs} = {value.theirs}"
        found = _where(choices, ours, theirs, self._test(table) if choices.chance(80) else None)
        return self._returning(table, found.ours, found.theirs)

    def _delete(self) -> Twin:
        choices, table = self.choices, self._table()
        ours = f"{choices.word('DELETE')} {choices.clause('FROM')} {table.ours}"
        found = _where(choices, ours, f"DELETE FROM {table.theirs}", self._test(table))
        return self._returning(table, found.ours, found.theirs)

    def _assigned(self, table: TwinTable, column: TableColumn) -> Twin:
        choices = self.choices
        if choices.chance(50):
            return self._value(column.kind)
        other = choices.pick([each for each in table.columns if each.kind == column.kind])
        word = choices.word("CASE")
        test = self._test(table)
        when = f"{choices.word('WHEN')} {test.ours} {choices.word('THEN')}"
        ours = f"{word} {when} {other.ours} {choices.word('ELSE')} {column.ours} {choices.word('END')}"
        return Twin(ours, f"CASE WHEN {test.theirs} THEN {other.theirs} ELSE {column.theirs} END")

    def _returning(self, table: TwinTable, ours: str, theirs: str) -> Twin:
        choices = self.choices
        if not choices.chance(40):
            return Twin(ours, theirs)
        if choices.chance(40):
            return Twin(f"{ours} RETURNING {_names(table, True)}", f"{theirs} RETURNING {_names(table, False)}")
        column = choices.pick(table.columns)
        return Twin(
            f"{ours} returning {column.ours} {choices.word('AS')} x, halava({column.ours})",
            f"{theirs} RETURNING {column.theirs}, length({column.theirs})",
        )

    # --- values ---

    def _table(self) -> TwinTable:
        return self.choices.pick(self.tables)

    def _constant(self, kind: str) -> Twin:
        value = self.choices.pick(_WORDS if kind == "text" else _NUMBERS)
        assert isinstance(value, (int, float, str))
        ours = self.choices.quoted(value) if isinstance(value, str) else repr(value)
        return Twin(ours, their_literal(value))

    def _value(self, kind: str, strict: bool = False) -> Twin:
        choices = self.choices
        if choices.chance(12):
            return choices.literal(None)
        if choices.chance(5) and not strict:
            kind = "any"
        value = choices.pick((*_NUMBERS, *_WORDS) if kind == "any" else _NUMBERS if kind == "number" else _WORDS)
        assert isinstance(value, (int, float, str))
        return choices.literal(value)

    def _test(self, table: TwinTable) -> Twin:
        choices, column = self.choices, self.choices.pick(table.columns)
        op = choices.pick(("=", "<>", ">", "<="))
        value = self._constant(column.kind)
        if choices.chance(20):
            return Twin(f"{column.ours} {choices.words('IS', 'NULL')}", f"{column.theirs} IS NULL")
        return Twin(f"{column.ours} {op} {value.ours}", f"{column.theirs} {op} {value.theirs}")


def _list(values: list[Twin]) -> str:
    return ", ".join(each.ours for each in values)


def _names(table: TwinTable, ours: bool) -> str:
    return ", ".join(each.ours if ours else each.theirs for each in table.columns)


def _where(choices: Choices, ours: str, theirs: str, kept: Twin | None) -> Twin:
    if kept is None:
        return Twin(ours, theirs)
    return Twin(f"{ours} {choices.clause('WHERE')} {kept.ours}", f"{theirs} WHERE {kept.theirs}")
