"""A template's tokens. Noise (white space, `ny`, `#` before a word, `@` after a reserved word) ends here."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from dirk_parser.errors import SqlError
from dirk_parser.lexical import rules, set_operators
from dirk_parser.lexical.keywords import NAME_TOKENS, RESERVED, TOKENS
from dirk_parser.lexical.repetition import repeated
from dirk_parser.lexical.tokens import InDatabase, Token

#: Deepest nesting of parentheses in a statement.
MAX_NESTING: Final = 200
#: Most tokens in a template; collapsed VALUES rows count once.
MAX_TOKENS: Final = 30_000

_WORD_REST: Final = repeated(r"\w++ | [^\x00-\x7f\s]++")
_TOKEN = re.compile(
    rf"""\s*+(?:
      (?P<word>  [^\W\d] {_WORD_REST} )
    | (?P<mark>  '[sirv]' )
    | (?P<quoted>{rules.QUOTED_NAME} )
    | (?P<param> \? | \$[^\W\d]\w*+ )
    | (?P<setop> {rules.SET_OPERATOR} )
    | (?P<noise> \#\s*+ (?=[^\W\d]) )
    | (?P<sign>  ->>? | <> | <= | >= | << | >> | == | != | \|\| | [-+*/%(),.;:=<>!~&|@^] )
    )""",
    re.VERBOSE,
)
_MARKS: Final = {"'s'": "TEXT", "'i'": "WHOLE", "'r'": "REAL", "'v'": "ANY"}
_NAMES: Final = frozenset(("ID", *NAME_TOKENS))
#: Two words that are one token: the first alone would be a domain's, or would begin NOT NULL.
_PAIRS: Final = frozenset((("GENERATED", "ALWAYS"), ("NOT", "DEFERRABLE")))
#: What follows ON CONFLICT where it begins an upsert.
_UPSERT: Final = frozenset(("LPAREN", "DO"))
#: Token type -> the sign it is, for error messages too.
SIGNS: Final = {
    "NE": "<>", "LE": "<=", "GE": ">=", "SHL": "<<", "SHR": ">>", "CONCAT": "||", "MINUS": "-", "PLUS": "+",
    "STAR": "*", "SLASH": "/", "PERCENT": "%", "LPAREN": "(", "RPAREN": ")", "COMMA": ",", "DOT": ".",
    "SEMICOLON": ";", "COLON": ":", "EQ": "=", "LT": "<", "GT": ">", "BANG": "!", "TILDE": "~", "AMPERSAND": "&",
    "BAR": "|", "AT": "@", "ARROW": "->", "LONG_ARROW": "->>",
}  # fmt: skip
_SIGN_TOKENS: Final = {sign: token for token, sign in SIGNS.items()} | {"==": "EQ", "!=": "NE", "^": "INTERSECT"}


def name_end(template: str, place: int) -> int:
    """Where the name ends that begins at `place` of a template."""
    match = _TOKEN.match(template, place)
    assert match is not None
    return match.end()


class SyntaxFault(Exception):  # noqa: N818 — it never reaches a user: `statements` makes the SqlError of it
    """A template that is no statement: where (places in the template) and, from the grammar, which tokens could
    follow."""

    def __init__(self, start: int, end: int, lexer: Lexer, expected: tuple[str, ...] = ()) -> None:
        super().__init__(start)
        self.start = start
        self.end = end
        self.lexer = lexer
        self.expected = expected


class Lexer:
    """The tokens of one template, found at once.

    Raises SyntaxFault for a character that no token begins with, SqlError `too_deep` and `too_complex`.
    """

    def __init__(self, template: str) -> None:
        self.template = template
        self.literal_places: list[int] = []
        self.words: list[str] = []
        #: What the grammar found to be named in a database.
        self.databases: list[InDatabase] = []
        self._parameters = 0
        self._depth = 0
        self._hash_place = -1
        self._has_signs = False
        self.tokens: list[Token] = []
        self._scan()
        self._settle_context()
        if self._has_signs:
            set_operators.settle(self.tokens)

    def _scan(self) -> None:
        template, match_at, end, position = self.template, _TOKEN.match, len(self.template), 0
        takers = {name: getattr(self, f"_{name}") for name in _TOKEN.groupindex}
        while position < end:
            match = match_at(template, position)
            if match is None:
                if not template[position:].strip():
                    break
                raise self.unexpected(position + len(template[position:]) - len(template[position:].lstrip()))
            kind = match.lastgroup
            position = match.end()
            if kind is not None:
                takers[kind](match[kind], match.start(kind), position)
            if len(self.tokens) > MAX_TOKENS:
                raise SqlError("too_complex", limit=MAX_TOKENS)

    def _word(self, text: str, start: int, end: int) -> None:
        lowered = text.lower()
        token = TOKENS.get(lowered)
        if token is None:
            self._must_not_be_hashed()
            if not text.isascii():
                self._check_letters(text, start)
            token = "ID"
        else:
            self._hash_place = -1
            self.words.append(lowered)
            if token == "NY":
                return
            if token.startswith("SIDE_") and not self._is_side():
                token = "ID"
        self.tokens.append(Token(token, text, start, end))

    def _is_side(self) -> bool:
        """True when a word such as `avia` is a join's side: after `tonona :`, or after the `natoraly` of one."""
        before = self.tokens[-2:]
        if before and before[-1].type in ("SIDE_NATURAL", "NATURAL"):
            return True
        return [token.type for token in before] == ["JOIN", "COLON"]

    def _check_letters(self, text: str, start: int) -> None:
        for index, character in enumerate(text):
            if not (character == "_" or character.isalnum() or unicodedata.category(character)[0] == "M"):
                raise self.unexpected(start + index)

    def _mark(self, text: str, start: int, end: int) -> None:
        if text == "'s'" and self.template[start - 1 : start] in ("x", "X") and self.tokens[-1].endlexpos == start:
            last = self.tokens[-1]
            if last.type == "ID" and last.lexpos == start - 1:
                self.tokens[-1] = Token("BLOB", len(self.literal_places), last.lexpos, end)
                self.literal_places.append(start)
                return
        self.tokens.append(Token(_MARKS[text], len(self.literal_places), start, end))
        self.literal_places.append(start)

    def _quoted(self, text: str, start: int, end: int) -> None:
        self._must_not_be_hashed()
        name = rules.name_of(text)
        if not name:
            raise self.unexpected(start)
        self.tokens.append(Token("ID", name, start, end))

    def _param(self, text: str, start: int, end: int) -> None:
        if text == "?":
            self.tokens.append(Token("PARAMETER", self._parameters, start, end))
            self._parameters += 1
        else:
            self.tokens.append(Token("PARAMETER", text[1:], start, end))

    def _setop(self, text: str, start: int, end: int) -> None:
        self.tokens.append(Token(rules.SET_OPERATORS[text], text, start, end))

    def _noise(self, _text: str, start: int, _end: int) -> None:
        self._hash_place = start

    def _must_not_be_hashed(self) -> None:
        """`#` is noise before a keyword only."""
        if self._hash_place >= 0:
            raise self.unexpected(self._hash_place)

    def _sign(self, text: str, start: int, end: int) -> None:
        if text == "@" and self._is_noise():
            return
        if text == "(":
            self._depth += 1
            if self._depth > MAX_NESTING:
                raise SqlError("too_deep", limit=MAX_NESTING)
        elif text == ")":
            self._depth -= 1
        elif text in ("+", "-"):
            self._has_signs = True
        self.tokens.append(Token(_SIGN_TOKENS[text], text, start, end))

    def _is_noise(self) -> bool:
        """`@` means something only after a name: AS or ON. The side of a join (`tonona:avia@`) is no name."""
        tokens = self.tokens
        if not tokens:
            return False
        last = tokens[-1]
        if last.type in ("UNION", "EXCEPT", "INTERSECT", "COLON") or last.type.startswith("SIDE_"):
            return True
        return isinstance(last.value, str) and self._is_bare(last) and last.value.lower() in RESERVED

    def _is_bare(self, token: Token) -> bool:
        return self.template[token.lexpos] != rules.NAME_MARK

    def _settle_context(self) -> None:
        """Settle what one token ahead can't tell. `IF` is a word of its own only before NOT or EXISTS. ON CONFLICT,
        where an upsert follows, is one token: after `… JOIN b` it is no join's condition. So are two words of
        `_PAIRS`."""
        tokens = self.tokens
        #: What follows, the nearest last.
        after: list[Token] = []
        for index in range(len(tokens) - 1, -1, -1):
            token, following = tokens[index], after[-1].type if after else ""
            merged = ""
            if token.type == "IF" and following not in ("NOT", "EXISTS"):
                token.type = "ID"
            elif token.type == "ON" and following == "CONFLICT" and after[-2:-1] and after[-2].type in _UPSERT:
                merged = "ON_CONFLICT"
            elif (token.type, following) in _PAIRS:
                merged = f"{token.type}_{following}"
            elif following in ("ID", "BY"):
                merged = self._index_hint(tokens[index - 1] if index else None, token, after[-1])
            if merged:
                token.type = merged
                after.pop()
            after.append(token)
        after.reverse()
        self.tokens = after

    def _index_hint(self, before: Token | None, first: Token, second: Token) -> str:
        """`t NOT INDEXED` and `t INDEXED BY i` after a table: `indexed` is a name everywhere else."""
        if first.type == "NOT" and second.type == "ID" and str(second.value).lower() == "indexed":
            is_after_name = before is not None and before.type in _NAMES
            return "NOT_INDEXED" if is_after_name and self._is_bare(second) else ""
        is_hint = first.type == "ID" and second.type == "BY" and str(first.value).lower() == "indexed"
        return "INDEXED_BY" if is_hint and self._is_bare(first) else ""

    def unexpected(self, offset: int) -> SyntaxFault:
        """The fault of a character of the template that begins no token."""
        return SyntaxFault(offset, offset + 1, self)
