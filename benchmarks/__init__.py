"""DirkDB measured against the limits of what it is built from; `python -m benchmarks.run` (see docs/performance.md)."""
