"""A run by chance over a small cluster: sessions on all its parts, and the model that knows what they may be told."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import gevent

from tests.service.fake_node import until
from tests.service.freshness_model import FIRST, NO_TABLE, History
from tests.service.freshness_visits import BEGINNING, Asked, Demands, Visitor, value_of
from tests.service.small_cluster import NODES, PARTS, SmallCluster


class Play:
    """A run by chance over one small cluster."""

    def __init__(self, cluster: SmallCluster, seed: int) -> None:
        self.cluster = cluster
        self.chance = Random(seed)
        self.history = History()
        self.known: dict[int, int] = {}
        #: What anybody was told: log and index.
        self.told: list[tuple[int, int]] = [(0, 0)]
        self.visitors = [Visitor(cluster, part, {}) for part in (*PARTS, *PARTS, "cache")]
        #: What was read at each part: table, and what was demanded.
        self.said: dict[str, list[tuple[str, str, dict[int, int], dict[str, Any]]]] = {part: [] for part in PARTS}
        self.lines: list[str] = []
        self.changed(cluster.change("create", "x"))
        self.level()

    def step(self) -> None:
        """Do one thing."""
        acts: list[tuple[Callable[[], None], int]] = [
            (self.read, 60),
            (self.visit, 8),
            (self.burst, 6),
            (self.read_meanwhile, 6),
            (self.use, 8),
            (self.show, 4),
            (self.reconnect, 4),
            (self.write, 8),
            (self.write_as_session, 4),
            (self.deliver, 18),
            (self.tell, 12),
            (self.change, 2),
            (self.change_as_session, 1),
            (self.level, 4),
            (self.deafen, 3),
            (self.run_ahead, 6),
        ]
        (act,) = self.chance.choices([one for one, _ in acts], [weight for _, weight in acts])
        act()

    # -- what happens to the cluster --------------------------------------------------------------------------

    @property
    def current(self) -> int | None:
        """The log that the name stands for at the head."""
        return self.history.names[-1]

    def change(self) -> None:
        """Somebody makes or drops the database."""
        self.changed(self.cluster.change("drop" if self.current is not None else "create", "x"))

    def changed(self, index: int) -> None:
        """The log of databases has one more entry."""
        self.told.append((0, index))
        if self.current is not None:
            self.history.dropped()
            self.note(f"dropped at {index}")
            return
        self.history.created(index)
        self.note(f"made at {index}")
        for text, table, value in FIRST[: self.chance.choice((0, 4, 4))]:
            self.cluster.append(index, text)
            self.history.wrote(index, table, value)

    def write(self) -> None:
        """Somebody writes."""
        if (log := self.current) is None:
            return
        at = len(self.history.states[log]) - 1
        text, table, value = FIRST[at] if at < len(FIRST) else self.update()
        self.cluster.append(log, text)
        self.history.wrote(log, table, value)

    def update(self) -> tuple[str, str, int]:
        """A write to one of the tables."""
        table, value = self.chance.choice("tu"), self.chance.randrange(10**6)
        return f"havaozy {table} ova n = {value}", table, value

    def deliver(self) -> None:
        """A node applies some entries of a log."""
        name, log = self.chance.choice(NODES), self.some_log()
        applied = self.cluster.nodes[name].applied(log)
        self.cluster.deliver(name, log, applied + self.chance.choice((1, 1, 2, 100)))
        self.note(f"{name} has applied {self.cluster.nodes[name].applied(log)} of {log}")

    def tell(self) -> None:
        """A node's word of a log reaches the log's host."""
        self.heard(self.chance.choice(NODES), self.some_log())

    def heard(self, name: str, log: int) -> None:
        """As `tell`, of this node and log."""
        outcomes = self.cluster.nodes[name].unreported.get(log)
        if outcomes:
            self.known[log] = max(self.known.get(log, 0), outcomes[-1].index)
            self.note(f"{name} has told {outcomes[-1].index} of {log}")
        self.cluster.tell(name, log)

    def deafen(self) -> None:
        """The cache does not hear of what happens, until all is level again."""
        self.cluster.is_cache_hearing.clear()
        self.note("the cache hears nothing")

    def run_ahead(self) -> None:
        """A session learns of a state that its part does not have, or does not know of, and says again what it said."""
        visitor, log = self.chance.choice(self.visitors), self.current
        if log is None or len(self.history.states[log]) <= len(FIRST):
            return
        again = self.reading(visitor)
        for _ in range(2):
            self.check_read(visitor, again(), is_alone=True)
        if visitor.part in NODES:
            self.write_by(visitor, next(one for one in NODES if one != visitor.part))
        else:
            self.write()
            name = self.chance.choice(NODES)
            self.cluster.deliver(name, log)
            self.cluster.turn_to(name)
            self.check_read(visitor, self.reading(visitor)(), is_alone=True)
        for _ in range(2):
            self.check_read(visitor, again(), is_alone=True)

    def level(self) -> None:
        """All nodes have everything, and have said so."""
        self.cluster.is_cache_hearing.set()
        for log in (0, *sorted(self.history.states)):
            for name in NODES:
                self.cluster.deliver(name, log)
                self.heard(name, log)

    def some_log(self) -> int:
        """A log to do something with, of late ones sooner."""
        late = [self.current] * 3 if self.current is not None else []
        return self.chance.choice([0, 0, *sorted(self.history.states)[-2:], *late])

    # -- what sessions do -------------------------------------------------------------------------------------

    def reconnect(self) -> None:
        """A session ends, another begins, perhaps with what the first has seen, elsewhere."""
        at = self.chance.randrange(len(self.visitors))
        gone = self.visitors[at]
        gone.client.close()
        carried = dict(gone.standing.low) if self.chance.random() < 0.5 else {}
        for log, index in gone.carried.items():
            carried[log] = max(index, carried.get(log, 0)) if carried else 0
        self.visitors[at] = Visitor(self.cluster, self.chance.choice(PARTS), {a: b for a, b in carried.items() if b})

    def least(self, visitor: Visitor) -> dict[int, int]:
        """A `min`: what the session carries, and sometimes what others were told, and lower ones of its own."""
        found = dict(visitor.carried)
        while self.chance.random() < 0.3:
            log, index = self.chance.choice(self.told[-12:])
            found[log] = max(found.get(log, 0), index)
        if self.chance.random() < 0.2 and visitor.standing.low:
            log = self.chance.choice(sorted(visitor.standing.low))
            found.setdefault(log, max(0, visitor.standing.low[log] - self.chance.choice((0, 1, 3))))
        return found

    def read(self) -> None:
        """One session reads; who can be answered is."""
        visitor = self.chance.choice(self.visitors)
        self.cluster.turn_to(self.chance.choice(NODES))
        self.check_read(visitor, self.reading(visitor)(), is_alone=True)

    def visit(self) -> None:
        """A new session reads once."""
        visitor = Visitor(self.cluster, self.chance.choice(BEGINNING), {})
        self.cluster.turn_to(self.chance.choice(NODES))
        self.check_read(visitor, self.reading(visitor)(), is_alone=True)
        visitor.client.close()

    def burst(self) -> None:
        """Sessions read the same through the cache at once: one may get what another asked for."""
        fresh = Visitor(self.cluster, "cache", {})
        visitors = [fresh, *[one for one in self.visitors if one.part == "cache"]]
        table = self.chance.choice("tu")
        asking = [(one, gevent.spawn(self.reading(one, table))) for one in visitors]
        for visitor, answer in asking:
            self.check_read(visitor, answer.get(timeout=10), is_alone=False)
        fresh.client.close()

    def read_meanwhile(self) -> None:
        """A session reads while nodes come on, and tell."""
        visitor = self.chance.choice(self.visitors)
        answer = gevent.spawn(self.reading(visitor))
        for _ in range(3):
            gevent.sleep(0.005)
            self.chance.choice((self.deliver, self.tell))()
        self.check_read(visitor, answer.get(timeout=10), is_alone=False)

    def reading(self, visitor: Visitor, table: str = "") -> Callable[[], Asked]:
        """A read by chance, ready to be asked; as a rule one that was asked there before, in the same bytes."""
        said = self.said[visitor.part]
        if not table and said and self.chance.random() < 0.7:
            table, level, least, fields = self.chance.choice(said[-8:])
        else:
            level, least, fields = self.demands(visitor)
            table = table or self.chance.choice("tu")
            said.append((table, level, least, fields))
        if not visitor.has_chosen and "db" not in fields:
            fields = {**fields, "db": "x"}
        return lambda: self.asked(visitor, f"alaivo n ao@ {table}", table, level, least, fields)

    def asked(
        self, visitor: Visitor, text: str, table: str, level: str, least: dict[int, int], fields: dict[str, Any]
    ) -> Asked:
        """Ask it, and remember what it needed."""
        return Asked(self.cluster, self.history, self.known, visitor, text, table, level, least, fields)

    def demands(self, visitor: Visitor) -> Demands:
        """What a read demands: level, `min`, and the metadata that say so; none as old clients."""
        if not visitor.carried and self.chance.random() < 0.4:
            return "session", {}, {}
        level = self.chance.choice(("any", "session", "session", "session", "strong"))
        least = self.least(visitor)
        fields: dict[str, Any] = {"lang": "en"}
        if level != "session" or self.chance.random() < 0.2:
            fields["read"] = level
        if least:
            fields["min"] = {str(log): index for log, index in sorted(least.items())}
        if self.chance.random() < 0.6:
            fields["db"] = "x"
        return level, least, fields

    def check_read(self, visitor: Visitor, asked: Asked, is_alone: bool) -> None:
        """The answer is of a state that the request may be answered from."""
        answer, history, place = asked.answer, self.history, asked.place
        self.note(f"{place} -> {answer.rows} {answer.sqlstate} {answer.meta.get('log')}:{answer.meta.get('index')}")
        if asked.current is not None and answer.meta.get("cache") != "hit":
            self.begins(visitor, asked, asked.current)
        if answer.meta:
            # A refusal, too, may have its session know of a log.
            visitor.standing.perhaps(answer.meta["log"], answer.meta["index"])
        if answer.sqlstate == "57P03":
            assert not (is_alone and asked.could_be_answered), f"refused though a state is there: {place}"
            return
        logs = history.logs_since(asked.least_index(0))
        if answer.sqlstate == "3D000":
            assert None in logs, f"the name stood for a database all the time: {place}"
            return
        assert answer.sqlstate in ("", NO_TABLE), f"{answer.sqlstate}: {place}"
        value = value_of(answer)
        told = answer.meta.get("log")
        may_be = {log for log in logs if log is not None and told in (None, log)}
        found = [log for log in may_be if history.explains(log, asked.table, value, asked.least_index(log))]
        assert found, f"{value!r} is of no state that may answer: {place}, needs {asked.needs()}"
        self.learn(visitor, asked)

    def begins(self, visitor: Visitor, asked: Asked, log: int) -> None:
        """Wherever it comes out, a request has its session begin in the log that it is about."""
        if visitor.part in BEGINNING:
            visitor.standing.begins(log, asked.known.get(log, 0), asked.most_known.get(log, 0))

    def learn(self, visitor: Visitor, asked: Asked) -> None:
        """What an answer has told its session, and all who come later through the same door."""
        meta, standing = asked.answer.meta, visitor.standing
        if not meta:
            for log in self.history.states:
                standing.perhaps(log, len(self.history.states[log]) - 1)
            standing.high[0] = self.history.head
            return
        log, index = meta["log"], meta["index"]
        is_hit = meta.get("cache") == "hit"
        is_through_proxy = (visitor.part in BEGINNING or asked.level == "strong") and not is_hit
        if not is_hit:
            value = self.history.states[log][index][asked.table]
            assert value == value_of(asked.answer), f"not what that state holds, {value!r}: {asked.place}"
        if asked.level == "strong":
            known = self.cluster.host.state.outcomes.of(log).known
            assert index <= known.outcome_index, f"told too early: {asked.place}"
        if is_through_proxy:
            self.known[log] = max(self.known.get(log, 0), index)
        standing.told(log, index)
        self.told.append((log, index))

    def use(self) -> None:
        """A session chooses the database."""
        visitor = self.chance.choice(self.visitors)
        asked = self.asked(visitor, "ampiasao x", "", *self.names_asked(visitor))
        answer = asked.answer
        self.note(f"{asked.place} -> {answer.sqlstate} {answer.meta.get('log')}")
        logs = self.history.logs_since(asked.least_index(0))
        if answer.sqlstate == "3D000":
            assert None in logs, asked.place
        elif answer.sqlstate != "57P03":
            assert answer.meta["log"] in logs, asked.place
            visitor.has_chosen = True
            self.named(visitor, asked)
            self.begins(visitor, asked, answer.meta["log"])
            visitor.standing.told(answer.meta["log"], answer.meta["index"])

    def show(self) -> None:
        """A session lists the databases."""
        visitor = self.chance.choice(self.visitors)
        asked = self.asked(visitor, "asehoy ny tahiry", "", *self.names_asked(visitor))
        self.note(f"{asked.place} -> {asked.answer.rows} {asked.answer.sqlstate}")
        if asked.answer.sqlstate != "57P03":
            is_there = {log is not None for log in self.history.logs_since(asked.least_index(0))}
            assert asked.answer.rows is not None and bool(asked.answer.rows) in is_there, asked.place
            self.named(visitor, asked)

    def names_asked(self, visitor: Visitor) -> Demands:
        """Level, `min` and metadata of a question for names."""
        level, least = self.chance.choice(("any", "session", "strong")), self.least(visitor)
        return level, least, {"read": level, "min": {str(log): index for log, index in least.items()}}

    def named(self, visitor: Visitor, asked: Asked) -> None:
        """An answer about names: where the log is, it is of the head."""
        if visitor.part in BEGINNING or asked.level == "strong":
            self.known[0] = self.history.head
            visitor.standing.low[0] = visitor.standing.high[0] = self.history.head
        else:
            enacted = self.cluster.nodes[visitor.part].engine.enacted_index
            visitor.standing.high[0] = max(enacted, visitor.standing.high.get(0, 0))

    def write_as_session(self) -> None:
        """A session writes, and sees it from then on."""
        log = self.current
        if log is not None and len(self.history.states[log]) > len(FIRST):
            self.write_by(self.chance.choice(self.visitors), self.chance.choice(NODES))

    def write_by(self, visitor: Visitor, name: str) -> None:
        """A session writes to the tables that are there, and this node does it."""
        log, (text, table, value) = self.current, self.update()
        assert log is not None
        known = self.known.get(log, 0), self.cluster.host.requests.sessions.known_index(log)
        writing = gevent.spawn(visitor.client.ask, text, db="x")
        until(lambda: writing.ready() or self.cluster.head(log) == len(self.history.states[log]))
        if self.cluster.head(log) < len(self.history.states[log]):
            self.note(f"{visitor.part} could not write: {writing.get().sqlstate}")
            return
        self.history.wrote(log, table, value)
        self.carry_out(log, name)
        answer = writing.get(timeout=10)
        if visitor.part in BEGINNING:
            visitor.standing.begins(log, *known)
        self.note(f"{visitor.part} wrote {value} to {table} of {log}: {answer.sqlstate} {answer.meta.get('index')}")
        if not answer.sqlstate:
            visitor.standing.told(log, answer.meta["index"])
            self.told.append((log, answer.meta["index"]))

    def change_as_session(self) -> None:
        """A session makes or drops the database."""
        visitor, before = self.chance.choice(self.visitors), self.cluster.head(0)
        text = "ravao ny tahiry x" if self.current is not None else "manamboara tahiry x"
        changing = gevent.spawn(visitor.client.ask, text, trace="")
        until(lambda: changing.ready() or self.cluster.head(0) > before)
        if self.cluster.head(0) == before:
            self.note(f"{visitor.part} could not say {text}: {changing.get().sqlstate}")
            return
        self.changed(before + 1)
        self.carry_out(0, self.chance.choice(NODES))
        answer = changing.get(timeout=10)
        self.note(f"{visitor.part} said {text}: {answer.sqlstate} {answer.meta.get('index')}")
        visitor.has_chosen = False
        if not answer.sqlstate:
            assert (answer.meta["log"], answer.meta["index"]) == (0, before + 1)
            visitor.standing.told(0, before + 1)

    def carry_out(self, log: int, name: str) -> None:
        """A node does what is in a log, and says so."""
        self.cluster.deliver(name, 0)
        self.cluster.deliver(name, log)
        self.heard(name, log)

    def note(self, line: str) -> None:
        """Remember what happened, for a failure's report."""
        self.lines.append(line)

    def stop(self) -> None:
        """End the connections."""
        for visitor in self.visitors:
            visitor.client.close()
