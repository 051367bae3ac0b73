"""The parts of a server that node, proxy and cache share: connections, sessions, admission, and what they hand each
other.

`service.Service` accepts connections and answers their statements one by one; `session` is what a connection has chosen
and seen, and one request of it; `freshness` decides how fresh a state must be to answer a request, for every path there
is; `admission` bounds what runs; `statement_cache` turns texts into templates and routes; `upstream_pool` keeps
connections to another DirkDB process; `replies` makes answers and their META.
Invariants: one bad request harms no other session; every wait is bounded and ends with an SQLSTATE; a session never
sees a state behind one that it has seen.
"""
