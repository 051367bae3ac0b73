"""The log's side of a cluster: who follows the log, what they have applied, how writes ended, who is right.

`coordinator.Coordinator` builds it all and nobody else names the whole. `state.CoordinatorState` is the data that its
parts share; `appends` takes writes, `node_link` sends a node its entries, `cache_link` caches their notices,
`node_reports` takes what nodes tell, `outcomes_by_log` what is known of each entry, `cluster` is the view of the nodes.
`divergence/`, `admin/` and `requests/` have signs of their own.
Invariants: the state calls none of the parts; a write is answered with the outcome of a master; nobody but the log
gives places.
"""
