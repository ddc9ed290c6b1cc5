"""Whatever the files of TIMIX_OVERRIDES and TIMIX_SETTINGS hold: settings, or one message that gives nothing of it away."""

import json
import random
import secrets
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from timix_assets.contract.endpoints import BY_NAME
from timix_assets.contract.overrides import OverrideError
from timix_assets.settings import SettingsError
from timix_assets.settings.firm import FirmConfig
from timix_assets.settings.overrides import load_overrides

SECTIONS = {name: field.annotation for name, field in FirmConfig.model_fields.items()}

MAX_QUOTED_LENGTH = 80


def overrides(file: Path) -> str:
    """What the refusal says; empty when there is none."""
    try:
        load_overrides(file)
    except OverrideError as refused:
        return str(refused)
    return ""


def firm(file: Path) -> str:
    try:
        FirmConfig.from_file(str(file))
    except SettingsError as refused:
        return str(refused)
    return ""


READERS: list[Callable[[Path], str]] = [overrides, firm]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.dates()
    | st.sampled_from(["9" * 5000, "x" * 500, "/x", "hours", "SUM(hours)", float("nan"), float("inf"), "\x1b[2J"])
)
words = st.sampled_from(
    [
        *BY_NAME,
        *SECTIONS,
        "endpoints",
        "path",
        "columns",
        "parameters",
        "hours",
        "skip_forbidden",
        "startDate",
        "monday",
    ]
    + [field for section in SECTIONS.values() for field in section.model_fields]
)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=5), inner, max_size=3)
)
near_overrides = st.fixed_dictionaries(
    {"endpoints": st.dictionaries(st.sampled_from([*BY_NAME]), st.dictionaries(words, trees, max_size=3), max_size=2)}
)
near_settings = st.fixed_dictionaries(
    {}, optional={name: st.dictionaries(st.sampled_from([*of.model_fields]), trees) for name, of in SECTIONS.items()}
)


@pytest.mark.parametrize("read", READERS)
@given(data=near_overrides | near_settings | trees)
@example(data={"budget_policy": {"burn_window_days": 10**30}})
@example(data={"endpoints": {"time_reports": {"columns": {"hours": "'"}}}})
def test_any_data_is_read_or_refused_in_one_line(tmp_path: Path, read: Callable[[Path], str], data: Any) -> None:
    file = tmp_path / "file.yaml"
    try:
        file.write_text(yaml.safe_dump(data), encoding="utf-8")
    except (ValueError, yaml.YAMLError):
        file.write_text(repr(data), encoding="utf-8", errors="replace")
    said = read(file)
    assert "\n" not in said
    assert said == "" or said.endswith((".", "?"))


@pytest.mark.long
@pytest.mark.parametrize("read", READERS)
@given(content=st.binary(max_size=60) | st.text(alphabet="-:[]{},&*!|>'\"%@#? \n\tab0.<", max_size=40).map(str.encode))
@example(content=b"[" * 100_000)
@example(content=b"a: " * 100_000)
@example(content=b"2026-99-99")
@example(content=b"!!int x")
@example(content=b"!!bool x")
@example(content=b"!!timestamp x")
@example(content=b"!!binary x")
@example(content=b"9" * 5000)
@example(content=b"? [a]\n: 1")
@example(content=b"&a [*a]")
@example(content=b"endpoints: &a {time_reports: *a}")
@example(content=b"targets: &a {utilization: *a}")
@example(content=b"\xef\xbb\xbfendpoints: {}")
@example(content=b"\x00\x01\x02")
@example(content=b"targets: {utilization: 0x" + b"f" * 5000 + b"}")
@example(content=b"targets: {0x" + b"f" * 5000 + b": 1}")
@example(content=b"budget_policy: {burn_window_days: 0x" + b"f" * 5000 + b"}")
@example(content=b"endpoints: {0x" + b"f" * 5000 + b": {}}")
@example(content=b"endpoints: {time_reports: {path: 0x" + b"f" * 5000 + b"}}")
@example(content="endpoints: \x85".encode())
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path: Path, read: Callable[[Path], str], content: bytes) -> None:
    file = tmp_path / "file.yaml"
    file.write_bytes(content)
    said = read(file)
    assert "\n" not in said
    assert said == "" or said.endswith((".", "?"))


def secret() -> str:
    return "".join(random.choices(string.ascii_letters + string.digits, k=40))


def parts(text: str, length: int = 8) -> set[str]:
    return {text[at : at + length] for at in range(len(text) - length + 1)}


ELSEWHERE: dict[str, Callable[[str], str]] = {
    ".env": lambda s: f"TIMIX_API_KEY={s}\nAWS_SECRET_ACCESS_KEY={s}\n",
    ".env with colons": lambda s: f"TIMIX_API_KEY: {s}\nAWS_SECRET_ACCESS_KEY: {s}\n",
    "secrets as names": lambda s: f"{s}: {s}\n",
    "credentials": lambda s: json.dumps({"type": "service_account", "private_key": s}),
    "a list": lambda s: f"- {s}\n- {s}\n",
    "text": lambda s: s,
    "an alias": lambda s: f"a: *{s}",
    "a tag": lambda s: f"!{s} b",
    "a directive": lambda s: f"%{s} b",
    "an open quote": lambda s: f"a: '{s}",
    "a mark": lambda s: f"@{s}",
    "the same name twice": lambda s: f"{s}: 1\n{s}: 2\n",
    "a key file": lambda s: f"-----BEGIN PRIVATE KEY-----\n{s}\n-----END PRIVATE KEY-----\n",
    "an ini file": lambda s: f"[default]\naws_secret_access_key = {s}\n",
    "a secret under our name": lambda s: f"endpoints: {{{s}: {s}}}\ntargets: {{a: {s}}}\n",
    "many megabytes": lambda s: s * 300_000,
    "binary": lambda s: f"\x7fELF\x00{s}\x00",
}


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("kind", ELSEWHERE)
def test_another_file_is_refused_and_not_quoted(tmp_path: Path, read: Callable[[Path], str], kind: str) -> None:
    hidden = secret()
    file = tmp_path / "file"
    file.write_text(ELSEWHERE[kind](hidden), encoding="utf-8")
    said = read(file)
    assert said
    assert not [part for part in parts(hidden) if part in said]


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (overrides, "endpoints: {{time_reports: {{path: '{}'}}}}"),
        (overrides, 'endpoints: {{time_reports: {{columns: {{hours: "{}\'"}}}}}}'),
        (overrides, "endpoints: {{time_reports: {{skip_forbidden: '{}'}}}}"),
        (overrides, "endpoints: {{time_reports: {{parameters: {{startDate: '{} x'}}}}}}"),
        (overrides, "endpoints: {{'{}': {{}}}}"),
        (overrides, "endpoints: '{}'"),
        (firm, "targets: '{}'"),
        (firm, "targets: {{'{}': 1}}"),
        (firm, "targets: {{utilization: '{}'}}"),
        (firm, "work_calendar: {{users: {{'{}': {{monday: 30}}}}}}"),
        (firm, "budget_policy: {{counted_statuses: ['{}']}}"),
    ],
)
def test_of_a_long_value_no_more_than_its_beginning_is_quoted(
    tmp_path: Path, read: Callable[[Path], str], text: str
) -> None:
    value = "".join(random.choices(string.ascii_letters, k=300))
    file = tmp_path / "file.yaml"
    file.write_text(text.format(value))
    said = read(file)
    assert said
    assert value[MAX_QUOTED_LENGTH:][:8] not in said
    assert value[-8:] not in said


@pytest.mark.parametrize("read", READERS)
def test_a_key_in_any_place_of_the_file_is_masked(tmp_path: Path, read: Callable[[Path], str]) -> None:
    key = "bbl_" + secrets.token_hex(20)
    file = tmp_path / "file.yaml"
    for text in (
        f"endpoints: {{time_reports: {{path: {key}}}}}",
        f"endpoints: {{time_reports: {{columns: {{hours: {key} x}}}}}}",
        f"endpoints: {{{key}: {{}}}}",
        f"targets: {{{key}: 1}}",
        f"work_calendar: {{users: {{{key}: {{monday: 30}}}}}}",
    ):
        file.write_text(text)
        assert key[4:12] not in read(file)


BOMB = (
    "\n".join(
        [
            "a0: &a0 {x: 1}",
            *(f"a{n}: &a{n} {{{{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}}}" for n in range(1, 9)),
        ]
    )
    .replace("{{", "{")
    .replace("}}", "}")
)
LAUGHS = "\n".join(
    ["a0: &a0 [lol, lol]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)), "endpoints: *a11"]
)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("text", [BOMB, LAUGHS, f"endpoints: &a\n  time_reports: [*a]\n{LAUGHS}"])
def test_a_few_lines_that_make_millions_are_refused_at_once(
    tmp_path: Path, read: Callable[[Path], str], text: str
) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text)
    assert read(file)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/dev/zero", "it is not a file"),
        (".", "it is not a file"),
        ("x\x00y", "it is not a path"),
        ("nofile", "No such file"),
    ],
)
def test_rejects_what_is_not_a_file(tmp_path: Path, read: Callable[[Path], str], path: str, reason: str) -> None:
    assert reason in read(tmp_path / path)


@pytest.mark.parametrize("read", READERS)
def test_rejects_files_larger_than_a_megabyte(tmp_path: Path, read: Callable[[Path], str]) -> None:
    file = tmp_path / "file.yaml"
    file.write_bytes(b"#" * 1_000_000)
    assert read(file) == ""
    file.write_bytes(b"#" * 1_000_001)
    assert "larger than 1 MB" in read(file)
