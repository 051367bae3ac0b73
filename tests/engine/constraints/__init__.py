"""Random changes that break constraints, with plain SQLite as the oracle of what each must do."""
