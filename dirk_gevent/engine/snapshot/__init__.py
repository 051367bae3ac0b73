"""One database at one index as one compressed, checked file, made while writes go on.

`snapshot` makes and unpacks it, `content_digest` is a hash of what a database says whatever its pages look like,
`reissue` makes a database's file the state of another place.
Invariant: a snapshot that is not what was written is never taken for a state.
"""
