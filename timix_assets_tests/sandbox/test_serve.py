"""`serve`, which the command line calls, says where it answers and accepts the key that a parent process hands over."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx
import pytest

from timix_assets.sandbox import Firm, Sandbox, serve

from .conftest import TODAY

Serving = Callable[..., AbstractContextManager[dict[str, str]]]


@pytest.fixture
def serving() -> Serving:
    @contextmanager
    def run(**settings: str) -> Iterator[dict[str, str]]:
        said: dict[str, str] = {}
        heard, until = threading.Event(), threading.Event()

        def say(line: str) -> None:
            name, _, value = line.partition("=")
            said[name] = value
            if name.startswith("#") or ("key" in settings and name == "TIMIX_BASE_URL"):
                heard.set()

        thread = threading.Thread(
            target=lambda: serve(0, today=TODAY, people=4, months=1, echo=say, until=until, **settings)  # type: ignore[arg-type]
        )
        thread.start()
        assert heard.wait(10)
        yield said
        until.set()
        thread.join(10)

    return run


def test_it_says_where_it_answers_and_with_which_key(serving: Serving) -> None:
    with serving() as said:
        headers = {"X-Api-Key": said["TIMIX_API_KEY"]}
        assert httpx.get(f"{said['TIMIX_BASE_URL']}/me", headers=headers).json()["plan"] == "Business"


def test_a_key_that_was_handed_over_is_not_said_again(serving: Serving, firm: Firm) -> None:
    key = Sandbox(firm).key
    with serving(key=key, plan="Starter") as said:
        assert said.keys() == {"TIMIX_START_MONTH", "TIMIX_BASE_URL"}
        assert httpx.get(f"{said['TIMIX_BASE_URL']}/me", headers={"X-Api-Key": key}).json()["plan"] == "Starter"


def test_a_taken_port_is_an_error(firm: Firm) -> None:
    with Sandbox(firm) as sandbox:
        port = int(sandbox.origin.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            Sandbox(firm, port=port).__enter__()


def test_a_firm_that_is_too_small_is_refused_with_the_least_size() -> None:
    with pytest.raises(ValueError, match="at least 4 and 1"):
        Firm.generate(people=3, months=1, today=TODAY)
