"""How parts that do not agree are found, shut out and healed.

`digest_rounds` asks all nodes for their content's digest at one index (and one of them for a snapshot), `resolver`
finds out which of two masters is right, `fences` shuts the others out, `registry` remembers it all (SHOW CONFLICTS),
`copied_log_check` asks whether this log is the one that was written last, `log_integrity` heals one that is damaged.
Invariants: while it is not known which state counts, no write is taken and none that waits is answered; a fence stands
until the node has put its state aside, whatever is restarted in between.
"""
