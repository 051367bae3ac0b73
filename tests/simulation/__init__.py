"""DirkDB under simulation: log, nodes, proxy, cache and clients in one process, on clock, network and disks of our own.

What runs is the real code, from `proxy.run` and `node.run` down to SQLite. What is not real is what the operating
system would give it: gevent's event loop (`loop`), sockets (`network`), native threads (`threads`), the disk under
SQLite (`disk`), clocks and chance (`world`). So a run is a function of its seed: `schedule` draws who does what and
what breaks when, `checks` says what must hold at the end, `runner` runs thousands of them and shrinks what fails.

    python -m tests.simulation --seed 7 --schedules 1000
"""
