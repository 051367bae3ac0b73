"""config.json: what every part of a cluster is built from.

Entry point: `loader.load` reads the file strictly and checks it whole. `settings` holds the dataclasses it fills: each
setting's type, bounds, default and unit stand once, at its field (`fields` reads a section by them). `strict_json`
reads JSON objects; `check` finds what no section can see alone.
Invariants: a file that cannot be used is one `ConfigError` naming the key; settings are frozen; nothing here knows
what a setting does.
"""
