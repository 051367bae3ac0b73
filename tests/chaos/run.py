"""One run: a cluster, clients, faults, an end in peace, and the verdict."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import gevent

from tests.chaos import found
from tests.chaos.check_databases import held, logged
from tests.chaos.check_databases import violations as violations_of_databases
from tests.chaos.checks import Checker, Violation
from tests.chaos.clients import SCHEMA, Client, Unexpected
from tests.chaos.databases import KINDS as DATABASE_KINDS
from tests.chaos.databases import Maker
from tests.chaos.faults import GAP_SECONDS, KINDS, LINK_KINDS, Fault, Nemesis, schedule
from tests.chaos.foreign import leave_a_foreign_history
from tests.chaos.history import History
from tests.chaos.site import Site
from tests.chaos.speaking import DATABASE, Speaker

#: How long the cluster may take to be whole again once the faults are over: what is slower counts as stuck.
RECOVERY_SECONDS = 60.0
#: How a violation begins that is no checker's: a process that ended, a wait that was too long, an exception.
BROKE_OFF = "the run broke off: "
#: The links of those that make databases break so much more seldom than all others together.
_MAKERS_GAP = 4
_SHOWN_VIOLATIONS = 5
_SHOWN_OPERATIONS = 14
_SHOWN_FAULTS = 12


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is made of: all that is by chance is a function of `seed`.

    `parts` are whom the clients talk to, `makers` whom those do that make databases and drop them. `is_foreign`
    begins with a node that has another history.
    """

    seed: int
    seconds: float
    kinds: tuple[str, ...] = KINDS
    parts: tuple[str, ...] = ("proxy", "proxy", "m1", "m2", "cache", "proxy")
    makers: tuple[str, ...] = ("proxy", "m2", "cache")
    nodes: tuple[str, ...] = ("m1", "m2")
    mutant: str | None = None
    is_foreign: bool = False
    gap_seconds: float = GAP_SECONDS

    def words(self) -> str:
        """The command line's arguments for this very plan."""
        words = f"--seed {self.seed} --seconds {self.seconds:g} --nodes {len(self.nodes)} --gap {self.gap_seconds:g}"
        words += f" --kinds {','.join(self.kinds) or repr('')}" if self.kinds != KINDS else ""
        words += f" --mutant {self.mutant}" if self.mutant else ""
        return words + (" --foreign" if self.is_foreign else "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended. `operations` were acknowledged; `violations` are none when all is well."""

    plan: Plan
    operations: int
    faults: int
    violations: tuple[Violation, ...]
    history: Path
    report: str


class Run:
    """One run under `directory`, which must not be there yet."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self._plan = plan
        self._directory = directory
        directory.mkdir(parents=True)
        chance = Random(plan.seed)
        self._site = Site(directory, plan.nodes, Random(chance.random()), plan.mutant)
        self._history = History(directory / "history.jsonl")
        self._clients = self._made_clients(chance)
        self._faults = self._made_faults(chance)
        # Drawn apart, so that the others' part of a seed is what it would be without them.
        more = Random(f"{plan.seed} makers")
        self._makers = self._made_makers(more)
        self._faults += self._faults_of_makers(more)

    def run(self) -> Verdict:
        """Everything, from the start of the processes to the verdict."""
        try:
            violations = self._violations()
        except Unexpected as answer:
            violations = [Violation(f"an answer that no fault explains: {answer}")]
        except Exception as error:
            violations = [Violation(BROKE_OFF + "".join(traceback.format_exception(error)[-3:]))]
        finally:
            self._site.close()
            self._history.close()
        count = sum(one.status == "ok" for one in self._history.operations)
        report = _report(self._plan, self._history, violations)
        return Verdict(self._plan, count, len(self._faults), tuple(violations), self._history.path, report)

    def _made_clients(self, chance: Random) -> list[Client]:
        made = []
        for number, part in enumerate(self._plan.parts):
            port = self._site.relay(f"c{number}", part).port
            speaker = Speaker(port, part)
            made.append(Client(number, speaker, self._history, Random(chance.random())))
        return made

    def _made_makers(self, chance: Random) -> list[Maker]:
        made = []
        for number, part in enumerate(self._plan.makers, len(self._plan.parts)):
            speaker = Speaker(self._site.relay(f"c{number}", part).port, part)
            made.append(Maker(number, speaker, self._history, Random(chance.random())))
        return made

    def _faults_of_makers(self, chance: Random) -> list[Fault]:
        plan = self._plan
        links = [f"c{number}>{part}" for number, part in enumerate(plan.makers, len(plan.parts))]
        kinds = [kind for kind in plan.kinds if kind in LINK_KINDS]
        return schedule(chance, plan.seconds, (), links, kinds, _MAKERS_GAP * plan.gap_seconds)

    def _made_faults(self, chance: Random) -> list[Fault]:
        site = self._site
        links = [f"{node}>proxy" for node in site.nodes] + ["cache>proxy"] + [f"proxy>{node}" for node in site.nodes]
        for name in links:
            site.relay(*name.split(">"))
        links += [f"c{number}>{part}" for number, part in enumerate(self._plan.parts)]
        return schedule(chance, self._plan.seconds, site.names, links, self._plan.kinds, self._plan.gap_seconds)

    def _violations(self) -> list[Violation]:
        site = self._site
        site.start(*site.names)
        site.wait_ready(*site.names)
        self._prepare()
        site.await_level()
        if self._plan.is_foreign:
            leave_a_foreign_history(site)
        self._disturb()
        site.await_level(RECOVERY_SECONDS)
        statuses = site.end(*site.names)
        violations = [Violation(f"{name} ended with {status}") for name, status in statuses.items() if status]
        nodes = [found.read(node, site.data_directory(node)) for node in site.nodes]
        operations = self._history.operations
        violations += Checker([one for one in operations if one.kind not in DATABASE_KINDS], nodes).violations()
        databases = [held(node, site.data_directory(node)) for node in site.nodes]
        return violations + violations_of_databases(operations, databases, logged(site.data_directory("proxy")))

    def _prepare(self) -> None:
        speaker = Speaker(self._site.ports["proxy"])
        for text in (f"CREATE DATABASE {DATABASE}", *SCHEMA):
            metadata = {"db": None} if "DATABASE" in text else {}
            answer = speaker.ask(text, 30.0, **metadata)
            assert not answer.sqlstate, answer.text
        for client in self._clients:
            client.learn(speaker)
        speaker.leave()

    def _disturb(self) -> None:
        """Clients and faults together; then the clients end what they began, with nothing in their way."""
        clients = [*self._clients, *self._makers]
        working = [gevent.spawn(_error_of, client.run) for client in clients]
        nemesis = gevent.spawn(_error_of, Nemesis(self._site, self._history, self._faults).run)
        peace = gevent.spawn_later(self._plan.seconds, _error_of, lambda: None)
        running = [*working, nemesis, peace]

        def are_over(some: list[gevent.Greenlet[..., Exception | None]]) -> bool:
            for one in running:
                if isinstance(one.value, Exception):
                    raise one.value
            return all(one.ready() for one in some)

        try:
            longest = self._plan.seconds + RECOVERY_SECONDS
            self._site.wait_for(lambda: are_over([nemesis, peace]), "the faults to be over", longest)
            for client in clients:
                client.stop()
            self._history.fault("peace")
            self._site.wait_for(lambda: are_over(working), "clients to end", RECOVERY_SECONDS)
        finally:
            gevent.killall(running)


def _error_of(work: Callable[[], None]) -> Exception | None:
    """What `work` raised: greenlets hand their errors over instead of printing them."""
    try:
        work()
    except Exception as error:
        return error
    return None


def _report(plan: Plan, history: History, violations: Sequence[Violation]) -> str:
    if not violations:
        return ""
    lines = [f"{len(violations)} violations; run again with: python -m tests.chaos {plan.words()}"]
    lines.append(f"history: {history.path}")
    for violation in violations[:_SHOWN_VIOLATIONS]:
        lines.append(f"- {violation.what}")
        lines += [f"    {operation.shown()}" for operation in violation.operations[-_SHOWN_OPERATIONS:]]
        last = max((operation.ended for operation in violation.operations), default=float("inf"))
        before = [fault for fault in history.faults if fault.moment <= last]
        lines += [f"    fault at {one.seconds:.2f} s: {one.what}" for one in before[-_SHOWN_FAULTS:]]
    return "\n".join(lines)


def main_loop(plan: Plan, directory: Path, say: Callable[[str], None]) -> Verdict:
    """Run a plan and say how it went."""
    say(f"seed {plan.seed}, {plan.seconds:g} s" + (f", mutant {plan.mutant}" if plan.mutant else ""))
    verdict = Run(plan, directory).run()
    say(f"{verdict.operations} operations acknowledged, {verdict.faults} faults, {len(verdict.violations)} violations")
    if verdict.report:
        say(verdict.report)
    return verdict
