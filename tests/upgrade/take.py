"""What a release takes: run by a release's own code, with a file of definitions, each called x.

Prints the catalog's rows of the setting, and that of each definition that is taken, as JSON.
"""

import json
import sys
from pathlib import Path

import apsw

# The error too: it is the release's own, wherever its parser lies.
from tests.parser.small_database import SmallDatabase, SqlError

_ROWS = "SELECT kind, key, name, source FROM dirk_catalog"


def main(path: Path) -> None:
    """Try each definition, and drop what was made."""
    asked = json.loads(path.read_text(encoding="utf-8"))
    database = SmallDatabase()
    for text in asked["setting"]:
        database.run(text)
    setting = list(database.connection.execute(_ROWS))
    taken = []
    for text in asked["definitions"]:
        try:
            database.run(text)
        except (SqlError, apsw.Error):
            continue
        (row,) = database.connection.execute(f"{_ROWS} WHERE key = 'x'")
        taken.append(row)
        database.run(f"DROP {row[0]} x")
    json.dump({"setting": setting, "taken": taken}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
