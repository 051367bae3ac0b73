# The names people try. Everything here is a program of bin/ or one command.
.PHONY: setup run test slow chaos simulate lint bench bench-peers clean

setup:
	bin/dirk-setup

run:
	bin/dirk-up

test:
	bin/dirk-test

slow:
	bin/dirk-test -m slow

# Faults at random against a cluster; SECONDS and SEED say how long and which.
chaos: setup
	PYTHONPATH=. .venv/bin/python -P -m tests.chaos --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED))

# The same in one process under a virtual clock, many runs a second; SCHEDULES and SEED say how many and which.
simulate: setup
	PYTHONPATH=. .venv/bin/python -P -m tests.simulation --schedules=$(or $(SCHEDULES),1000) $(if $(SEED),--seed=$(SEED))

lint: setup
	.venv/bin/python -m ruff check .
	.venv/bin/python -m mypy

bench: setup
	PYTHONPATH=. .venv/bin/python -m benchmarks

bench-peers: setup
	PYTHONPATH=. .venv/bin/python -m benchmarks --only peers --seconds 0.5 --rounds 11

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
