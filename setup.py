"""How DirkDB installs: two packages, five programs."""

import re
from collections.abc import Iterator
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.sdist import sdist

HERE = Path(__file__).parent
#: What the sdist holds besides the packages: it is the checkout, without what is made in it.
ARCHIVED = (
    *("CHANGELOG.md", "LICENSE", "Makefile", "README.md", "config.json", "pyproject.toml", "requirements.lock"),
    *(".ci", "benchmarks", "bin", "deploy", "dirk_gevent", "docs", "driver", "examples", "parser", "tests"),
)
VERSION = re.search(r'__version__ = "([^"]+)"', (HERE / "dirk_gevent/__init__.py").read_text(encoding="utf-8"))
if VERSION is None:
    raise SystemExit("dirk_gevent/__init__.py holds no __version__")


def archived() -> Iterator[str]:
    """Every file of the sdist, relative to the checkout."""
    for name in ARCHIVED:
        top = HERE / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            made = path.suffix == ".pyc" or any(part.endswith(".egg-info") for part in path.parts)
            if path.is_file() and not made:
                yield str(path.relative_to(HERE))


class SourceArchive(sdist):
    """Makes the sdist of the files that `archived` names (which MANIFEST.in would say at the top of the checkout)."""

    def make_distribution(self) -> None:
        """Add them to what setuptools finds by itself."""
        self.filelist.extend(archived())
        self.filelist.sort()
        self.filelist.remove_duplicates()
        super().make_distribution()


setup(
    name="dirkdb",
    version=VERSION.group(1),
    description="A replicated SQL database whose language is SQL in Malagasy",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="the DirkDB authors",
    license="MIT",
    license_files=["LICENSE"],
    # Paths inside the sdist: the documents of a release come with it.
    project_urls={
        "Documentation": "docs/architecture.md",
        "Changelog": "CHANGELOG.md",
        "Compatibility": "docs/compatibility.md",
    },
    keywords=["database", "sql", "replication", "sqlite", "malagasy"],
    classifiers=[
        "Development Status :: 5 - Production/Stable",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Education",
        "Natural Language :: English",
        "Natural Language :: French",
        "Natural Language :: Malagasy",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: SQL",
        "Topic :: Database :: Database Engines/Servers",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    packages=[
        *find_packages(include=["dirk_gevent", "dirk_gevent.*"]),
        # `parser` alone is a name that others have: who has a parser.py of their own would break the programs.
        *("dirk_parser" + name.removeprefix("parser") for name in find_packages(include=["parser", "parser.*"])),
    ],
    package_dir={"dirk_parser": "parser"},
    package_data={"dirk_gevent": ["py.typed"], "dirk_parser": ["py.typed"]},
    cmdclass={"sdist": SourceArchive},
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
            "build>=1.2",
            "hypothesis>=6.112",
            "mypy>=1.13",
            "pytest>=8.3",
            "pytest-xdist>=3.6",
            "pytest-timeout>=2.3",
            "ruff>=0.8",
            # Makes wheels without the package wheel; tests build without a network.
            "setuptools>=70.1",
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
