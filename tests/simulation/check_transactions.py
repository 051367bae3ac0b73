"""What must hold of transactions: each that committed did so at one place of the log, where all that it read was so."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.checks import NOT_APPENDED, Tables, Truth, answers
from tests.simulation.clients import Attempt, History, Trial
from tests.simulation.schedule import Kind, Operation, Plan
from tests.simulation.transacting import NO_TRANSACTION

#: How a transaction may end before its COMMIT; empty for a connection that is lost, or a ROLLBACK.
_MAY_END = ("", "40001", "57P03", "53300", "53100", "58030", "08006", "25P03")
#: What COMMIT may be told, of those that are an answer.
_MAY_COMMIT = ("", "40001", "25P03", NO_TRANSACTION)


def judge_transactions(plan: Plan, history: History, truth: Truth) -> list[str]:
    """Everything that transactions saw or were told and that is not so."""
    wrong: list[str] = []
    for trial in history.trials:
        attempts = history.of(trial.operation)
        wrong += _judge_words(plan, trial, attempts)
        if plan.loses_history:
            continue
        wrong += _judge_sights(trial, truth)
        wrong += _judge_end(trial, attempts, truth)
    return wrong


def _judge_words(plan: Plan, trial: Trial, attempts: list[Attempt]) -> Iterator[str]:
    name = trial.operation.name
    if trial.sqlstate not in _MAY_END:
        yield f"{name} was ended by {trial.sqlstate}"
    told = {answer.sqlstate for answer in answers(attempts)}
    if not told.issubset(_MAY_COMMIT):
        yield f"the COMMIT of {name} was told {sorted(told)}"
    # One that only read, or that went with the log, leaves nothing to be found when its COMMIT is said again.
    leaves_nothing = plan.loses_history or trial.operation.kind is Kind.SIGHT
    if len(told - ({NO_TRANSACTION} if leaves_nothing else set())) > 1:
        yield f"the COMMIT of {name} was told two outcomes: {sorted(told)}"


def _judge_sights(trial: Trial, truth: Truth) -> Iterator[str]:
    """All that it read was so at the index of its last read, but for what it had changed itself."""
    if not trial.sights:
        return
    name, index = trial.operation.name, trial.sights[-1].index
    state = truth.states.get(index)
    if state is None:
        yield f"{name} read at index {index}, which the log does not have"
        return
    if index < trial.floor:
        yield f"{name} read at index {index} and must not be older than {trial.floor}"
    for sight in trial.sights:
        expected = _changed(state, trial.operation) if sight.is_own else state
        rows = expected.rows(sight.kind)
        if sight.rows != rows:
            yield f"{name} saw {sight.rows} by {sight.kind} and committed at {index}, where the log says {rows}"


def _changed(state: Tables, operation: Operation) -> Tables:
    changed = state.copy()
    changed.apply(operation)
    return changed


def _judge_end(trial: Trial, attempts: list[Attempt], truth: Truth) -> Iterator[str]:
    operation = trial.operation
    place = truth.places.get(operation.number)
    told = {answer.sqlstate for answer in answers(attempts)}
    if place is None:
        if "" in told and operation.kind is not Kind.SIGHT:
            yield f"{operation.name} was acknowledged and is not in the log"
        if NO_TRANSACTION in told:
            yield f"the COMMIT of {operation.name} was denied, and no entry of the log holds it to that"
        return
    outcome = truth.outcomes[operation.number]
    if not trial.is_handed_over:
        yield f"{operation.name} was never committed and is in the log at {place}"
    if attempts and all(one.answer is not None and one.answer.sqlstate in NOT_APPENDED for one in attempts):
        yield f"{operation.name} was always refused and is in the log at {place}"
    for sqlstate in told - {outcome} if operation.kind is not Kind.SIGHT else ():
        yield f"{operation.name} ended with {sqlstate or 'done'}, its place in the log says {outcome or 'done'}"
