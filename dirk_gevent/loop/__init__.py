"""Additions to gevent's hub.

`threads.NativeThreads` runs what blocks in C, `hub_monitor` measures how long the hub was kept from its greenlets,
`throttle` writes large files beside other people's commits, `keyed_lock` lets one greenlet at a time at each log's
database, `frame_socket` carries the frames of a subscription.
Invariants: nothing is monkey-patched; a call to a native thread blocks its greenlet alone; exceptions of a thread's
work are raised where the caller waits.
"""
