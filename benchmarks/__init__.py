"""DirkDB measured against the limits of what it is built from; `python -m benchmarks.run` (see docs/performance.md)."""

import dirk_gevent  # noqa: F401 (makes `dirk_parser` this checkout's parser)
