"""dirk-up: the whole cluster on this machine.

Entry point: `up.run` starts every part as a child process, waits until each is ready, then shows a prompt; `parts` are
the children, their merged log, and the lock against a second run.
Invariants: what it starts ends with it, however it ends; one cluster runs from one log directory.
"""
