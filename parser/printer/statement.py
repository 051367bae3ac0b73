"""Text of all statements that are no queries."""

from __future__ import annotations

from dirk_parser.ast.expression import Call, Constant, Literal, Name, Unary
from dirk_parser.ast.query import Item, Star
from dirk_parser.ast.statement import (
    AddColumn,
    AddConstraint,
    AlterColumn,
    AlterTable,
    Assignment,
    Begin,
    Check,
    Collation,
    ColumnDef,
    Commit,
    Constraint,
    CreateDatabase,
    CreateDomain,
    CreateIndex,
    CreateTable,
    CreateView,
    Default,
    Delete,
    Describe,
    Drop,
    DropColumn,
    DropConstraint,
    Explain,
    ForeignKey,
    Generated,
    Insert,
    NotNull,
    PrimaryKey,
    RenameColumn,
    RenameTable,
    RestartNumbers,
    Rollback,
    SetLanguage,
    Show,
    Translate,
    Unique,
    Update,
    Upkeep,
    Upsert,
    Use,
)
from dirk_parser.lexical.listings import LISTINGS
from dirk_parser.printer.writer import Writer, quoted, writes


def _with(writer: Writer, node: Insert | Update | Delete) -> str:
    return f"{writer.node(node.with_)} " if node.with_ else ""


def _returning(writer: Writer, items: tuple[Item | Star, ...]) -> str:
    return writer.clause("RETURNING", items)


def _columns(writer: Writer, names: tuple[Name, ...]) -> str:
    return f" ({writer.list(names)})" if names else ""


@writes(Insert)
def _insert(writer: Writer, node: Insert) -> str:
    start = writer.words("INSERT") + (f" {writer.words('OR', node.conflict.upper())}" if node.conflict else "")
    into = writer.words("FROM" if writer.malagasy else "INTO")
    target = writer.node(node.table) + writer.clause("AS", node.alias) + _columns(writer, node.columns)
    default = writer.words("VALUES", "FOTOTRA") if writer.malagasy else writer.words("DEFAULT", "VALUES")
    source = writer.query(node.source, named=False) if node.source else default
    upserts = "".join(f" {writer.node(upsert)}" for upsert in node.upserts)
    return f"{_with(writer, node)}{start} {into} {target} {source}{upserts}{_returning(writer, node.returning)}"


@writes(Upsert)
def _upsert(writer: Writer, node: Upsert) -> str:
    target = f" ({writer.list(node.target)}){writer.clause('WHERE', node.target_where)}" if node.target else ""
    start = f"{writer.words('ON', 'CONFLICT')}{target} {writer.words('DO')}"
    if not node.assignments:
        return f"{start} {writer.words('NOTHING')}"
    return f"{start}{writer.clause('UPDATE SET', node.assignments)}{writer.clause('WHERE', node.where)}"


@writes(Assignment)
def _assignment(writer: Writer, node: Assignment) -> str:
    names = writer.list(node.columns)
    return f"{names if len(node.columns) == 1 else f'({names})'} = {writer.node(node.value)}"


@writes(Update)
def _update(writer: Writer, node: Update) -> str:
    start = writer.words("UPDATE") + (f" {writer.words('OR', node.conflict.upper())}" if node.conflict else "")
    changes = writer.clause("SET", node.assignments) + writer.clause("FROM", node.sources)
    return f"{_with(writer, node)}{start} {writer.node(node.table)}{changes}{_rows_kept(writer, node)}"


@writes(Delete)
def _delete(writer: Writer, node: Delete) -> str:
    start = f"{_with(writer, node)}{writer.words('DELETE', 'FROM')} {writer.node(node.table)}"
    return start + _rows_kept(writer, node)


def _rows_kept(writer: Writer, node: Update | Delete) -> str:
    """Which rows are changed, and what is said of them."""
    text = writer.clause("WHERE", node.where) + _returning(writer, node.returning)
    text += writer.clause("ORDER" if writer.malagasy else "ORDER BY", node.order_by)
    return text + (f" {writer.node(node.limit)}" if node.limit is not None else "")


# --- definitions -------------------------------------------------------------------------------------------


def _if(writer: Writer, *tokens: str) -> str:
    return f" {writer.words('RAHA' if writer.malagasy else 'IF', *tokens)}"


def _create(writer: Writer, optional: bool, *tokens: str) -> str:
    return writer.words("CREATE", *tokens) + (_if(writer, "NOT", "EXISTS") if optional else "")


@writes(CreateDatabase)
def _create_database(writer: Writer, node: CreateDatabase) -> str:
    return f"{_create(writer, node.optional, 'DATABASE')} {writer.node(node.name)}"


@writes(CreateDomain)
def _create_domain(writer: Writer, node: CreateDomain) -> str:
    return f"{_create(writer, node.optional, 'DOMAIN')} {writer.node(node.name)} ({writer.node(node.domain)})"


@writes(CreateView)
def _create_view(writer: Writer, node: CreateView) -> str:
    name = writer.node(node.name) + _columns(writer, node.columns)
    query = writer.query(node.query, named=not node.columns)
    return f"{_create(writer, node.optional, 'VIEW')} {name} {writer.words('AS')} {query}"


@writes(CreateIndex)
def _create_index(writer: Writer, node: CreateIndex) -> str:
    start = _create(writer, node.optional, *(["UNIQUE"] if node.unique else []), "INDEX")
    on = f"{writer.words('ON')} {writer.node(node.table)} ({writer.list(node.terms)})"
    return f"{start} {writer.node(node.name)} {on}{writer.clause('WHERE', node.where)}"


@writes(CreateTable)
def _create_table(writer: Writer, node: CreateTable) -> str:
    start = f"{_create(writer, node.optional, 'TABLE')} {writer.node(node.name)}"
    if node.query:
        return start + writer.clause("AS", node.query)
    parts = [writer.node(column) for column in node.columns]
    parts += [_table_constraint(writer, constraint) for constraint in node.constraints]
    return f"{start} ({', '.join(parts)})"


@writes(ColumnDef)
def _column_def(writer: Writer, node: ColumnDef) -> str:
    parts = [writer.node(node.name)] + ([writer.node(node.domain)] if node.domain else [])
    return " ".join([*parts, *(_constraint(writer, constraint) for constraint in node.constraints)])


def _constraint(writer: Writer, node: Constraint) -> str:
    name = f"{writer.words('CONSTRAINT')} {writer.node(node.name)} " if node.name else ""
    return name + writer.node(node)


def _table_constraint(writer: Writer, node: Constraint) -> str:
    text = _constraint(writer, node)
    if isinstance(node, PrimaryKey | Unique):
        return f"{text} ({writer.list(node.columns)})"
    return text


@writes(NotNull)
def _not_null(writer: Writer, _node: NotNull) -> str:
    return f"{writer.words('NOT')} {'null' if writer.malagasy else 'NULL'}"


@writes(Default)
def _default(writer: Writer, node: Default) -> str:
    text = writer.node(node.value)
    return f"{_default_words(writer)} {text if _is_bare_default(node) else f'({text})'}"


def _default_words(writer: Writer) -> str:
    return writer.words("VALUES", "FOTOTRA") if writer.malagasy else writer.words("DEFAULT")


def _is_bare_default(node: Default) -> bool:
    value = node.value
    if isinstance(value, Unary):
        return value.op in ("-", "+") and isinstance(value.operand, Literal) and value.operand.kind in ("whole", "real")
    if isinstance(value, Call):
        return value.filter is None and value.over is None
    return isinstance(value, Literal | Constant)


@writes(Check)
def _check(writer: Writer, node: Check) -> str:
    return f"{writer.words('CHECK')} ({writer.node(node.condition)})"


@writes(PrimaryKey)
def _primary_key(writer: Writer, node: PrimaryKey) -> str:
    text = writer.words("PRIMARY") if writer.malagasy else writer.words("PRIMARY", "KEY")
    text += f" {writer.words('DESC')}" if node.descending else ""
    return text + (f" {writer.words('AUTOINCREMENT')}" if node.autoincrement else "")


@writes(Unique)
def _unique(writer: Writer, _node: Unique) -> str:
    return writer.words("UNIQUE")


@writes(ForeignKey)
def _foreign_key(writer: Writer, node: ForeignKey) -> str:
    words = writer.words("PRIMARY", "VAHINY") if writer.malagasy else writer.words("FOREIGN", "KEY")
    text = f"{words} ({writer.list(node.columns)}) " if node.columns else ""
    text += f"{writer.words('REFERENCES')} {writer.node(node.table)}{_columns(writer, node.foreign_columns)}"
    for event, action in (("DELETE", node.on_delete), ("UPDATE", node.on_update)):
        text += f" {writer.words('ON', event)} {writer.say(action)}" if action else ""
    return text + (f" {writer.words('DEFERRABLE', 'INITIALLY', 'DEFERRED')}" if node.deferred else "")


@writes(Collation)
def _collation(writer: Writer, node: Collation) -> str:
    return f"{writer.words('COLLATE')} {writer.node(node.collation)}"


@writes(Generated)
def _generated(writer: Writer, node: Generated) -> str:
    start = writer.words("AS") if writer.malagasy else writer.words("GENERATED", "ALWAYS", "AS")
    return f"{start} ({writer.node(node.value)})" + (f" {writer.words('STORED')}" if node.stored else "")


@writes(Drop)
def _drop(writer: Writer, node: Drop) -> str:
    optional = _if(writer, "EXISTS") if node.optional else ""
    return f"{writer.words('DROP', node.kind.upper())}{optional} {writer.node(node.name)}"


@writes(AlterTable)
def _alter_table(writer: Writer, node: AlterTable) -> str:
    return f"{writer.words('ALTER', 'TABLE')} {writer.node(node.table)} {writer.node(node.action)}"


@writes(AddColumn)
def _add_column(writer: Writer, node: AddColumn) -> str:
    return f"{writer.words('ADD', 'COLUMN')} {writer.node(node.column)}"


@writes(DropColumn)
def _drop_column(writer: Writer, node: DropColumn) -> str:
    drop = "esory" if writer.malagasy else writer.words("DROP")
    return f"{drop} {writer.words('COLUMN')} {writer.node(node.name)}"


@writes(AlterColumn)
def _alter_column(writer: Writer, node: AlterColumn) -> str:
    start = f"{writer.words('ALTER', 'COLUMN')} {writer.node(node.name)}"
    if not node.drops:
        return f"{start} {writer.words('SET')} {writer.node(node.constraint)}"
    what = writer.node(node.constraint) if isinstance(node.constraint, NotNull) else _default_words(writer)
    return f"{start} {'esory' if writer.malagasy else writer.words('DROP')} {what}"


@writes(AddConstraint)
def _add_constraint(writer: Writer, node: AddConstraint) -> str:
    return f"{writer.words('ADD')} {_table_constraint(writer, node.constraint)}"


@writes(DropConstraint)
def _drop_constraint(writer: Writer, node: DropConstraint) -> str:
    drop = "esory" if writer.malagasy else writer.words("DROP")
    return f"{drop} {writer.words('CONSTRAINT')} {writer.node(node.name)}"


@writes(RestartNumbers)
def _restart_numbers(writer: Writer, node: RestartNumbers) -> str:
    return f"{writer.words('AUTOINCREMENT')} = {writer.node(node.following)}"


@writes(RenameTable)
def _rename_table(writer: Writer, node: RenameTable) -> str:
    return f"{writer.words('RENAME', 'ANARANA' if writer.malagasy else 'TO')} {writer.node(node.name)}"


@writes(RenameColumn)
def _rename_column(writer: Writer, node: RenameColumn) -> str:
    start = writer.words("RENAME", "ANARANA" if writer.malagasy else "COLUMN")
    return f"{start} {writer.node(node.old)} {writer.words('TO')} {writer.node(node.new)}"


@writes(Upkeep)
def _upkeep(writer: Writer, node: Upkeep) -> str:
    return writer.words(node.verb.upper()) + (f" {writer.node(node.name)}" if node.name else "")


# --- the rest ----------------------------------------------------------------------------------------------

_SHOWN = {"columns": "COLUMN", **{name: listing.token for name, listing in LISTINGS.items()}}


@writes(Show)
def _show(writer: Writer, node: Show) -> str:
    ny = " ny" if writer.malagasy else ""
    if node.what.startswith("create "):
        return f"{writer.words('SHOW')}{ny} {writer.say(node.what)} {writer.node(node.table)}"
    what = writer.words(_SHOWN[node.what]) if writer.malagasy else node.what.upper()
    return f"{writer.words('SHOW')}{ny} {what}{writer.clause('FROM', node.table)}"


@writes(Describe)
def _describe(writer: Writer, node: Describe) -> str:
    return f"{writer.words('DESCRIBE')} {writer.node(node.name)}"


@writes(Explain)
def _explain(writer: Writer, node: Explain) -> str:
    return f"{writer.words('EXPLAIN')} {writer.node(node.statement)}"


@writes(Translate)
def _translate(writer: Writer, node: Translate) -> str:
    return f"{writer.words('TRANSLATE', 'TO')} {quoted(node.to)} {writer.node(node.statement)}"


@writes(Use)
def _use(writer: Writer, node: Use) -> str:
    return f"{writer.words('USE')} {writer.node(node.name)}"


@writes(SetLanguage)
def _set_language(writer: Writer, node: SetLanguage) -> str:
    start = writer.words("SAFIDIO", "NY", "LANGUAGE") if writer.malagasy else writer.words("SET", "LANGUAGE")
    return f"{start} {writer.node(node.language)}"


@writes(Begin, Commit, Rollback)
def _transaction(writer: Writer, node: Begin | Commit | Rollback) -> str:
    return writer.words(type(node).__name__.upper())
