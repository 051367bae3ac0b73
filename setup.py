"""How DirkDB installs: two packages, five programs."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (HERE / "dirk_gevent/__init__.py").read_text(encoding="utf-8"))
if VERSION is None:
    raise SystemExit("dirk_gevent/__init__.py holds no __version__")

setup(
    name="dirkdb",
    version=VERSION.group(1),
    description="A replicated SQL database whose language is SQL in Malagasy",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11",
    packages=find_packages(include=["dirk_gevent", "dirk_gevent.*", "parser", "parser.*"]),
    install_requires=[
        # One version and no other: it brings SQLite, and two builds of that may end an entry differently. Another one
        # needs new rules of entries (`RULES` in dirk_gevent/log/entry.py).
        "apsw==3.54.1.0",
        "cachetools>=5.5",
        "docopt-ng>=0.9",
        "gevent>=24.10",
        "orjson>=3.10",
        "ply==3.11",
        "prompt_toolkit>=3.0.47",
        "pygments>=2.18",
        "rich>=13.8",
        "zstandard>=0.23",
    ],
    extras_require={
        "test": [
            "hypothesis>=6.112",
            "mypy>=1.13",
            "pytest>=8.3",
            "pytest-xdist>=3.6",
            "pytest-timeout>=2.3",
            "ruff>=0.8",
            "types-Pygments",
            "types-cachetools",
            "types-gevent",
        ],
    },
    entry_points={
        "console_scripts": [
            "dirk-server = dirk_gevent.cli:server",
            "dirk-proxy = dirk_gevent.cli:proxy",
            "dirk-cache = dirk_gevent.cli:cache",
            "dirk-client = dirk_gevent.cli:client",
            "dirk-admin = dirk_gevent.cli:admin",
        ]
    },
)
