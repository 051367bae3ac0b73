"""Messages between a node that follows the log and the log's side.

`frame_types` are the frames as dataclasses and back (hello, acknowledgements, heartbeats, snapshots' headers),
`transfer` moves entries and snapshot files in pieces and checks them on the way in, `genesis` remembers which log a
node follows, `last_heard` says whether the other side still speaks, `precedence` which node's entries wait for a round.
Invariants: what came over one connection is answered over that connection or not at all; entries are checked against
their chain before anything is applied.
"""
