"""`timix-assets webhooks` as a process: what it says, what outlives a kill, what a full disk does."""

import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from timix_assets.webhooks.inbox import Inbox
from timix_assets_tests.webhooks.receiving import SECRET, Receiving

from .conftest import Project


@contextmanager
def started(project: Project) -> Iterator[tuple[Receiving, subprocess.Popen[str]]]:
    process = project.start("webhooks", "--port", "0", TIMIX_WEBHOOK_SECRETS=SECRET)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"Receiving events at (http://\S+) \(standard-webhooks, 1 secret\)\.\n", line)
        assert found, line
        with Inbox(project.folder / ".dagster" / "webhooks.sqlite", 16) as inbox:
            yield Receiving(found[1], inbox, now=time.time()), process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.long
def test_event_that_was_answered_outlives_a_kill(project: Project) -> None:
    with started(project) as (running, process):
        assert [running.event(str(number), at=running.now) for number in range(20)] == [200] * 20
        process.send_signal(signal.SIGKILL)
        process.wait()
    with started(project) as (running, _):
        assert running.inbox.looks().newest == 20
        assert running.event("19", at=running.now) == 200
        assert running.inbox.looks().newest == 20


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
def test_event_that_cannot_be_stored_is_not_accepted(project: Project) -> None:
    with started(project) as (running, process):
        assert running.event("before", at=running.now) == 200
        # As on a full disk: no file of the process may grow.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        assert running.event("during", at=running.now) == 503
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert running.event("during", at=running.now) == 200
        assert running.inbox.looks().newest == 2


def test_interrupt_ends_it_and_no_secret_is_printed(project: Project) -> None:
    with started(project) as (running, process):
        running.event("forged", secret="whsec_AAAA")
        process.terminate()
        assert process.stdout is not None
        printed = process.stdout.read()
        process.wait()
    assert process.returncode == 0
    assert printed == "timix_changes looks at once when one comes, if that sensor is on. Ctrl-C stops the receiver.\n"


def test_settings_that_do_not_fit_exit_with_2(project: Project) -> None:
    done = project.run("webhooks")
    assert (done.returncode, done.stderr.partition(";")[0]) == (2, "timix-assets: TIMIX_WEBHOOK_SECRETS is not set")
    done = project.run("webhooks", TIMIX_WEBHOOK_SECRETS="hush!")
    assert (done.returncode, "hush" in done.stderr) == (2, False)


def test_doctor_shows_what_came(project: Project) -> None:
    def lines() -> list[str]:
        printed = project.run("doctor", TIMIX_WEBHOOK_SECRETS=SECRET).stdout.splitlines()
        return [line.removeprefix("• Webhooks: ") for line in printed if line.startswith("• Webhooks")]

    assert lines() == ["a secret is set, and nothing came yet; run `timix-assets webhooks`."]
    with Inbox(project.folder / ".dagster" / "webhooks.sqlite", 16) as inbox:
        for key, kind, at in (("a", "one\x1b", 0.0), ("b", "one\x1b", 60.0), ("a", "one\x1b", 120.0), ("c", None, 1.0)):
            inbox.add(key, kind, at)
        inbox.count_refusal("the signature is wrong", 180.0)
    assert lines() == [
        r"one\x1b, 2 events and 1 repeat, the last at 1970-01-01 00:02:00 UTC.",
        "without a type, 1 event, the last at 1970-01-01 00:00:01 UTC.",
        "1 request refused, the signature is wrong; the last at 1970-01-01 00:03:00 UTC.",
    ]
