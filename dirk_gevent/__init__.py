"""DirkDB: a replicated SQL database whose language is SQL in Malagasy.

In a checkout the second package, `dirk_parser`, is the folder `parser/`: who imports this package first gets that one,
whatever else is installed. An installation has it under its own name.
"""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

#: The one place that holds the version; setup.py reads it from here.
__version__ = "2.3.0"


def _import_parser(checkout: Path) -> None:
    """Import the parser of a checkout as `dirk_parser`, unless there is none or another one was imported already."""
    sign = checkout / "parser" / "__init__.py"
    if "dirk_parser" in sys.modules or not (checkout / "setup.py").is_file() or not sign.is_file():
        return
    spec = spec_from_file_location("dirk_parser", sign, submodule_search_locations=[str(sign.parent)])
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["dirk_parser"] = module
        spec.loader.exec_module(module)


_import_parser(Path(__file__).resolve().parent.parent)
