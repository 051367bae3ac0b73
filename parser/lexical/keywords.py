"""The one file that knows the words of the language: token ↔ Malagasy words ↔ standard words.

The grammar speaks of tokens only, so the two vocabularies mix freely. A word is *reserved* when it can't be a
bare name; the reserved words are one closed list, `RESERVED`. All other words of the table stay usable as names.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keyword:
    """One token and its words, lower case; the first of each vocabulary is the one printed and suggested."""

    token: str
    malagasy: tuple[str, ...]
    standard: tuple[str, ...]
    reserved: bool


def _table(reserved: bool, lines: str) -> tuple[Keyword, ...]:
    """Rows of `TOKEN | Malagasy words | standard words`; an empty last field is the token's own name."""
    keywords = []
    for line in lines.strip().splitlines():
        token, malagasy, standard = (field.strip() for field in line.split("|"))
        words = tuple(standard.split()) or (token.lower(),)
        keywords.append(Keyword(token, tuple(malagasy.split()), () if standard == "-" else words, reserved))
    return tuple(keywords)


_RESERVED = _table(
    True,
    """
    SELECT     | alaivo        |
    DISTINCT   | miavaka       |
    FROM       | ao            |
    AS         | antso         |
    WHERE      | rehefa        |
    GROUP      | vondrona      |
    BY         |               |
    HAVING     | manana        |
    ORDER      | alaharo       |
    ASC        | miakatra      |
    DESC       | midina        |
    LIMIT      | fetra         |
    OFFSET     | dingano       |
    JOIN       | tonona        |
    INNER      |               |
    LEFT       |               |
    RIGHT      |               |
    FULL       |               |
    OUTER      |               |
    NATURAL    |               |
    CROSS      |               |
    ON         | ka            |
    USING      | iraisana      |
    UNION      | ankambana     |
    ALL        | daholo        |
    EXCEPT     | analana       |
    INTERSECT  | atifitra      |
    AND        | ary           |
    OR         | na            |
    NOT        | tsy           |
    IS         | dia           |
    ISNULL     |               |
    NOTNULL    |               |
    LIKE       | tahaka        |
    GLOB       |               |
    ESCAPE     |               |
    IN         | anaty         |
    BETWEEN    | anelanelana   |
    EXISTS     | misy          |
    DIV        |               |
    COLLATE    |               |
    CASE       | tranga        |
    RAHA       | raha          | -
    WHEN       |               |
    THEN       | omeo          |
    ELSE       | ankoatra      |
    END        | farany        |
    CAST       | avadiho       |
    NULL       |               |
    TRUE       | marina        |
    FALSE      | diso          |
    INSERT     | manampia      |
    INTO       |               |
    VALUES     | sanda         |
    UPDATE     | havaozy       |
    SET        | ova           |
    DELETE     | fafao         |
    CREATE     | manamboara    |
    DROP       | ravao esory   |
    ALTER      | ovay          |
    TO         | ho            |
    UNIQUE     | tokana        |
    PRIMARY    | fanalahidy    |
    FOREIGN    |               |
    DEFAULT    |               |
    CHECK      | hamarino      |
    REFERENCES | manondro      |
    CONSTRAINT |               |
    DEFERRABLE |               |
    WITH       | miaraka       |
    RECURSIVE  |               |
    OVER       |               |
    PARTITION  |               |
    WINDOW     |               |
    FILTER     |               |
    UNBOUNDED  |               |
    RETURNING  |               |
    CURRENT_DATE      |        |
    CURRENT_TIME      |        |
    CURRENT_TIMESTAMP |        |
    NY         | ny            | -
    """,
)

_NAMES = _table(
    False,
    """
    DATABASE     | tahiry             | database databases
    TABLE        | tabilao            | table tables
    DOMAIN       | efitra             | domain domains
    VIEW         | jery               | view views
    INDEX        | tondro             | index indexes
    COLUMN       | tsanganana         | column columns
    SERVERS      | mpizara            |
    CONFLICTS    | fifandirana        |
    TEMPORARY    |                    | temporary temp
    WITHOUT      |                    |
    ROWID        |                    |
    STRICT       |                    |
    REINDEX      |                    |
    ANALYZE      |                    |
    FOTOTRA      | fototra            | -
    VAHINY       | vahiny             | -
    VOALOHANY    | voalohany          | -
    ANARANA      | anarana            | -
    SIDE_INNER   | anatiny            | -
    SIDE_LEFT    | avia ankavia       | -
    SIDE_RIGHT   | avanana ankavanana | -
    SIDE_FULL    | feno               | -
    SIDE_NATURAL | natoraly           | -
    SAFIDIO      | safidio            | -
    LANGUAGE     | fiteny             |
    SHOW         | asehoy             |
    DESCRIBE     | lazao              |
    EXPLAIN      | hazavao            |
    TRANSLATE    | adikao             |
    USE          | ampiasao           |
    BEGIN        | atombohy           |
    COMMIT       | tehirizo           |
    ROLLBACK     | avereno            |
    TRANSACTION  |                    |
    DEFERRED     |                    |
    IMMEDIATE    |                    |
    QUERY        |                    |
    PLAN         |                    |
    IF           |                    |
    ADD          | ampio              |
    RENAME       | soloy              |
    KEY          |                    |
    CASCADE      |                    |
    RESTRICT     |                    |
    NO           |                    |
    ACTION       |                    |
    INITIALLY    |                    |
    AUTOINCREMENT |                   |
    REPLACE      |                    |
    IGNORE       |                    |
    ABORT        |                    |
    FAIL         |                    |
    CONFLICT     |                    |
    DO           |                    |
    NOTHING      |                    |
    MATERIALIZED |                    |
    NULLS        |                    |
    FIRST        |                    |
    LAST         |                    |
    ROWS         |                    |
    RANGE        |                    |
    GROUPS       |                    |
    PRECEDING    |                    |
    FOLLOWING    |                    |
    CURRENT      |                    |
    ROW          |                    |
    EXCLUDE      |                    |
    TIES         |                    |
    OTHERS       |                    |
    GENERATED    |                    |
    ALWAYS       |                    |
    STORED       |                    |
    VIRTUAL      |                    |
    EXCLUSIVE    |                    |
    """,
)

#: Every keyword by its token.
KEYWORDS: dict[str, Keyword] = {keyword.token: keyword for keyword in _RESERVED + _NAMES}
#: Word (lower case) -> token.
TOKENS: dict[str, str] = {
    word: keyword.token for keyword in KEYWORDS.values() for word in keyword.malagasy + keyword.standard
}
#: The words that need back quotes to be names: the closed list.
RESERVED: frozenset[str] = frozenset(
    word for keyword in _RESERVED for word in keyword.malagasy + keyword.standard
)
#: Tokens that only the lexer's context makes keywords: IF before NOT or EXISTS, the side of a join after `tonona :`.
CONTEXT_TOKENS: frozenset[str] = frozenset(
    ("IF", "SIDE_INNER", "SIDE_LEFT", "SIDE_RIGHT", "SIDE_FULL", "SIDE_NATURAL")
)
#: Tokens of the words that the grammar takes as names.
NAME_TOKENS: tuple[str, ...] = tuple(
    keyword.token for keyword in _NAMES if keyword.token not in CONTEXT_TOKENS
)
#: Words of one vocabulary only; a statement that has more of these than of `STANDARD_ONLY` is a Malagasy one.
MALAGASY_ONLY: frozenset[str] = frozenset(word for keyword in KEYWORDS.values() for word in keyword.malagasy)
STANDARD_ONLY: frozenset[str] = frozenset(TOKENS) - MALAGASY_ONLY

#: Function names of the language's own (lower case) -> the standard name that the AST carries. Any other function
#: keeps its name, in lower case.
FUNCTIONS: dict[str, str] = {
    "isaina": "count",
    "fitambarana": "sum",
    "salanisa": "avg",
    "ambany": "min",
    "ambony": "max",
    "halava": "length",
    "androany": "current_date",
    "today": "current_date",
    "izao": "current_timestamp",
    "now": "current_timestamp",
}
#: Standard function name -> the Malagasy one, where there is one.
MALAGASY_FUNCTIONS: dict[str, str] = {
    "count": "isaina",
    "sum": "fitambarana",
    "avg": "salanisa",
    "min": "ambany",
    "max": "ambony",
    "length": "halava",
    "current_date": "androany",
    "current_timestamp": "izao",
}


def speaks_malagasy(words: Collection[str]) -> bool | None:
    """True when a statement of these words (lower case) is written in the Malagasy vocabulary, or has no keyword; None
    when it has words of both."""
    malagasy, standard = not MALAGASY_ONLY.isdisjoint(words), not STANDARD_ONLY.isdisjoint(words)
    return None if malagasy and standard else not standard


def words_of(tokens: Sequence[str], malagasy: bool | None) -> str:
    """Keywords as a person is told of them: in one vocabulary, or (None) in both, `rehefa/WHERE`.

    Of several, those that the Malagasy vocabulary has no word for are left out of it: `vondrona` is GROUP BY.
    """
    said = (True, False) if malagasy is None else (malagasy,)
    return "/".join(dict.fromkeys(_phrase(tokens, sequence) for sequence in said))


def _phrase(tokens: Sequence[str], malagasy: bool) -> str:
    kept = [token for token in tokens if not malagasy or len(tokens) == 1 or KEYWORDS[token].malagasy]
    return " ".join(word(token, malagasy) for token in kept)


def word(token: str, malagasy: bool) -> str:
    """The word to print or suggest for a keyword's token: of one vocabulary, or of the other where that has none."""
    keyword = KEYWORDS[token]
    if malagasy or not keyword.standard:
        return keyword.malagasy[0] if keyword.malagasy else keyword.standard[0].upper()
    return keyword.standard[0].upper()
