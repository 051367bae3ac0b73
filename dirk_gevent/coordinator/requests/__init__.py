"""Requests where the log is: `writes.Writes` appends and answers, `commits.Commits` ends transactions,
`session_statements.SessionStatements` shows and changes the session and the cluster.

They reach the coordinator through `coordinator/request_parts.py:RequestParts` alone.
Invariants: an answer says what is durable, or 08007 with the request's id; a request id has one effect.
"""
