"""Statements and answers as bytes: the only folder that knows how they look on a connection.

`splitter.StatementSplitter` cuts statements out of a stream, `metadata` reads the comment before one, `answer_bytes`
makes and recognises answers, `answer_relay` passes a long one on as it comes, `frames` makes those of a log
subscription. docs/protocol.md describes it all.
Invariants: the bytes are the same on every hop; nothing here knows what a statement means; a splitter's work is linear
in the bytes it is given, whatever their segments; no gevent.
"""
