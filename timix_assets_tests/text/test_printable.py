"""Text that others wrote, as terminals, logs, pages and chats show it."""

import io
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from timix_assets.commands.terminal import TerminalConsole
from timix_assets.text.printable import inert, markdown, printable, printable_lines, without_markup

CLIPBOARD = "\x1b]52;c;cm0gLXJmIH4=\x07"
ANY = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        (CLIPBOARD, r"\x1b]52;c;cm0gLXJmIH4=\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\r\nfailed b\tc", r"a\r\nfailed b\tc"),
        ("a\x7f\x00b", r"a\x7f\x00b"),
        ("a\x85b\u2028c\u2029d", r"a\x85b\u2028c\u2029d"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("a\u2066b\u2069c\u202a\u202b\u202c\u202d\u2067\u2068", r"a\u2066b\u2069c\u202a\u202b\u202c\u202d\u2067\u2068"),
        ("lone \ud800", r"lone \ud800"),
    ],
)
def test_control_characters_are_made_visible(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "פרויקט תשתיות (שלב 2)",
        "\u200fשלום\u200e",
        "مشروع\u061c",
        "👨\u200d👩\u200d👧",
        "🏴\U000e0067\U000e0062\U000e007f",
        "नमस्ते",
        "a\u00a0b",
        "C:\\n",
    ],
)
def test_text_of_any_script_stays_unchanged(text: str) -> None:
    assert printable(text) == text


def test_line_breaks_of_longer_text_stay() -> None:
    assert printable_lines("one\ntwo\x1b\r") == "one\ntwo\\x1b\\r"


@given(ANY)
def test_no_control_character_or_override_remains(text: str) -> None:
    shown = printable(text)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", shown)
    assert printable(shown) == shown
    assert set(printable_lines(text)) - {"\n"} <= set(shown) | set(printable_lines(text.replace("\n", "")))
    shown.encode()


@pytest.mark.parametrize(
    "text", ["[red]", "[/]", "[link=http://evil.example]x[/link]", CLIPBOARD, "\x9b2J", "\u202eabc", "a\rb"]
)
def test_console_neutralizes_names_and_keeps_its_colours(text: str) -> None:
    out = io.StringIO()
    console = TerminalConsole(file=out, width=100, force_terminal=True, color_system="standard")
    table = Table("name", header_style="bold")
    table.add_row(Text(text))
    console.print(text, markup=False, highlight=False)
    console.print(Text(text, "yellow"))
    console.print(table)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    if text.isprintable():
        assert plain.count(text) == 3
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", plain)
    assert "\x1b[33m" in out.getvalue()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("[text](http://evil.example)", "\\[text\\](http:\u200b//evil.example)"),
        ("![x](https://evil.example/x.png)", "!\\[x\\](https:\u200b//evil.example/x.png)"),
        ("<img src=x onerror=alert(1)>", "\\<img src=x onerror=alert(1)\\>"),
        ("a | `b` *c* _d_ ~~e~~ &lt;", "a \\| \\`b\\` \\*c\\* \\_d\\_ \\~\\~e\\~\\~ \\&lt;"),
        ("www.evil.example", "www\u200b.evil.example"),
        ("WWW.evil.example HTTP://x", "WWW\u200b.evil.example HTTP:\u200b//x"),
        ("cfo@evil.example", "cfo@\u200bevil.example"),
        ("# big", "\\# big"),
        ("1. one", "1\\. one"),
        ("- point", "\\- point"),
        ("C:\\temp", "C:\\\\temp"),
        ("2026-11-18 12.50", "2026-11-18 12.50"),
        ("a\nb\x1b", "a\\\\nb\\\\x1b"),
    ],
)
def test_markdown_shows_exactly_the_text(text: str, written: str) -> None:
    assert markdown(text) == written


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@everyone", "@\u200beveryone"),
        ("<@123> <!channel> <#C1>", "‹@\u200b123› ‹!channel› ‹#C1›"),
        ("[text](url)", "[text]\u200b(url)"),
        ("http://evil.example/x", "http:\u200b//evil\u200b.example/x"),
        ("Monday.com", "Monday\u200b.com"),
        ("www.evil.example", "www\u200b.evil\u200b.example"),
        ("<img src=x onerror=alert(1)>", "‹img src=x onerror=alert(1)›"),
        ("*b* `c` ~~d~~ ||e|| _f_ g_h", "∗b∗ ˋcˋ ∼∼d∼∼ ∣∣e∣∣ ˍfˍ g_h"),
        ("Phase 1.2, 3,400.50 h", "Phase 1.2, 3,400.50 h"),
        ("פרויקט תשתיות", "פרויקט תשתיות"),
    ],
)
def test_chat_text_looks_the_same_and_is_inert(text: str, shown: str) -> None:
    assert inert(text) == shown


@given(ANY)
def test_no_chat_markup_remains(text: str) -> None:
    shown = inert(printable(text))
    assert not re.search(r"[<>*`~|]|@\S(?<!\u200b)|://|\]\(", shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![x](https://evil.example/x.png)", "![x]\u200b(https:\u200b//evil.example/x.png)"),
        ("![x]\n\n[x]: //evil.example", "![x]\n\n[x]\u200b: //evil.example"),
        ("<img src=x>", "‹img src=x›"),
        ("https&#58;//evil.example", "https&\u200b#58;//evil.example"),
        ("https:\\//evil.example", "https:\\\u200b//evil.example"),
        ("a@evil.example", "a@\u200bevil.example"),
        ("`timix-assets doctor`, _rescued_data, x.csv, R&D", "`timix-assets doctor`, _rescued_data, x.csv, R&D"),
    ],
)
def test_a_description_has_no_image_link_or_html(text: str, shown: str) -> None:
    assert without_markup(text) == shown
