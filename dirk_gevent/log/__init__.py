"""The shared log: gives each write its place, durably, once.

`contract` is the log as everybody else sees it; `entry` is what it holds, byte for byte, and the chain of hashes over
that; `clock` and `epochs` say what time it is and which log this is; `skipped` are entries that a person had skipped.
`embedded/` keeps a log in a journal of this process.
Invariants: what is visible has been fsynced; an index is given once; bytes that were appended never change; nothing
here knows what an entry's statements mean.
"""
