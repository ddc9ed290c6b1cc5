"""Reads the small YAML files that settings name. What such a file holds may be anything: nothing of it is quoted here."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from timix_assets.errors import TimixAssetsError

MAX_BYTES = 1_000_000

# What PyYAML's constructors raise, beside its own errors, for scalars that are not what they look like.
_UNEXPECTED = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)

_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""")
"""What PyYAML quotes: punctuation and its own `<stream end>`, or the file's text."""


class UnreadableFileError(TimixAssetsError, ValueError):
    """A file that is not usable YAML. The message says why and what to do, without the file's name or content."""


def read(path: Path) -> Any:
    """The data of the file, None when it is empty. UnreadableFileError when it is too large, no text or no YAML."""
    text = _text(path)
    # `from None`: what PyYAML raises shows the line that it stopped at, and logs show the whole chain.
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise UnreadableFileError(
            f"{line}{_QUOTED.sub(_without_text, error.problem or 'no YAML')}; put that line right"
        ) from None
    except yaml.YAMLError:
        raise UnreadableFileError("it holds characters that no text has; save it as YAML in UTF-8") from None
    except _UNEXPECTED:
        raise UnreadableFileError("it holds a value that YAML cannot read, or is nested too deeply") from None


def _without_text(quoted: re.Match[str]) -> str:
    text = quoted[0]
    if text == "'<stream end>'":
        return "the end of the file"
    return text if len(text) <= len("'x'") or text.startswith("'<") else "…"


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise UnreadableFileError("it is not a file; correct the path")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        where = "" if path.is_absolute() else f" (a relative path starts at {Path.cwd()})"
        raise UnreadableFileError(f"{error.strerror}; correct the path{where}, or leave the setting empty") from error
    except (OSError, ValueError) as error:
        if isinstance(error, UnreadableFileError):
            raise
        why = getattr(error, "strerror", None) or "it is not a path"
        raise UnreadableFileError(f"{why}; name a file that this user may read") from error
    if len(content) > MAX_BYTES:
        raise UnreadableFileError("it is larger than 1 MB; name a YAML file of settings")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableFileError("it is not UTF-8 text; save it as YAML in UTF-8") from None


class _Loader(yaml.SafeLoader):
    """Plain YAML, but duplicate names are refused, because the first would be dropped silently, and merges (`<<`) are refused,
    because a few lines of them expand to millions."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, "`<<` is not read here", key.start_mark)
            name = self.construct_object(key, deep=True)
            if isinstance(name, Hashable):
                if name in seen:
                    raise yaml.constructor.ConstructorError(None, None, "a name appears twice", key.start_mark)
                seen.add(name)
        return super().construct_mapping(node, deep)
