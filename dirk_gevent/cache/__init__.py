"""The cache: answers repeated reads near the client, and drops what the log's notices say has changed.

Entry point: `server.run`. `cache_connection` serves one client, `session_state` is what is known of its session,
`fast_path` finds the answer to bytes that came before, `store` holds answers and until which index each is right,
`log_follower` hears the log's notices, `forward` takes everything else upstream, `flights` lets one request ask for all
that ask the same.
Invariants: an answer is served only under a lease that has not run out, and only while no notice speaks against it; a
session is never shown a state behind one that it has seen.
"""
