"""Sessions' transactions on one node: what they read, what they wrote, and the state all of that was so.

`open_transaction.Transaction` is one; `speculative_executor` runs its statements between batches and never commits
them; `conflict` says which tables decide what a statement does.
Invariant: what a transaction has written becomes one entry of the log, which every node runs or refuses alike.
"""
