"""The standard tools of every other folder: the standard library alone, no gevent, nothing else of DirkDB.

`logger` writes the log lines, `startup` and `streams` begin a process, `files` holds the one lock, the one way
to write a file whole or not at all and to make names durable, `backoff` and `request_ids` are for what is tried again,
`printable` keeps users' text on one line, `addresses` and `ports` say which addresses can be used.
Invariants: nothing here imports another folder; what a power cut must not take is synced before the call returns.
"""
