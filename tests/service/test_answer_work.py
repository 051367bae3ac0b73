"""What a node says of its answers to marks: it grows while a thread works on one, and only then."""

from __future__ import annotations

import threading

from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.node import mark_answers
from dirk_gevent.node.answer_work import AnswersUnderWay
from tests.service.fake_node import until


def _works(is_over: threading.Event) -> None:
    while not is_over.is_set():
        sum(range(1000))


def test_an_answer_gets_on_while_its_thread_works_and_stands_still_while_it_hangs() -> None:
    answers, threads, is_over = AnswersUnderWay(), NativeThreads(2), threading.Event()
    with answers.of(1) as working, answers.of(2) as hanging, answers.of(3):
        calls = [threads.start(working.timed, _works, is_over), threads.start(hanging.timed, is_over.wait)]
        until(lambda: working.has_begun and hanging.has_begun)
        seen = []
        for _ in range(3):
            seen.append(answers.counts())
            until(lambda: answers.counts()[1] > seen[-1][1])
        # The third waits for a thread, and gets on as those do that have one.
        assert seen[2][2] <= seen[0][2] + 5 and seen[0][3] < seen[1][3] < seen[2][3]
        is_over.set()
        for call in calls:
            call.result()
    assert not answers.counts()


def test_what_was_sent_counts() -> None:
    answers = AnswersUnderWay()
    with answers.of(1) as work:
        before = answers.counts()[1]
        mark_answers._counted(lambda *_: None, work)({"t": "chunk"}, b"x")
        assert answers.counts()[1] == before + 1
