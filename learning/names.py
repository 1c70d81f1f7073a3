"""What names of the user's may be; they go into messages, table columns, figures and reports."""

from __future__ import annotations

import re
from collections.abc import Iterable

from learning.errors import LearningError

LONGEST_NAME = 64
LONGEST_TEXT = 200
# Fits a message's header, a column between "+" and "_", a cell of a CSV file, and any language.
_NAME = re.compile(rf"[A-Za-z_][A-Za-z0-9_]{{0,{LONGEST_NAME - 1}}}")


def check_names(what: str, names: Iterable[object]) -> None:
    """Refuse names of modalities, or parts of messages, that do not fit wherever they go.

    Raises LearningError for other than ASCII letters, digits and underscores, more than 64 of
    them, or two names that differ by case alone.
    """
    before: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            expected = f"names of at most {LONGEST_NAME} ASCII letters, digits and underscores"
            raise LearningError(what, expected, _shown(name), "rename it")
        other = before.setdefault(name.lower(), name)
        if other != name:
            expected = "names that differ by more than case"
            raise LearningError(what, expected, f"{other} and {name}", "rename one of them")


def check_texts(what: str, texts: Iterable[object]) -> None:
    """Refuse names of classes that nobody could read or tell apart.

    Raises LearningError for text that is empty, longer than 200 bytes of UTF-8, has characters that
    do not print (line breaks, lone surrogates) or spaces at an end, or comes twice.
    """
    before: set[str] = set()
    for text in texts:
        prints = isinstance(text, str) and text.isprintable() and text.strip() == text
        if not prints or not 0 < len(str(text).encode()) <= LONGEST_TEXT:
            expected = f"1 to {LONGEST_TEXT} bytes of printable text without spaces at its ends"
            raise LearningError(what, expected, _shown(text), "rename it")
        if text in before:
            raise LearningError(what, "different names", f"{text} twice", "rename one of them")
        before.add(str(text))


def _shown(name: object) -> str:
    text = ascii(name)
    return text if len(text) <= LONGEST_NAME + 2 else f"{text[:LONGEST_NAME]}..."
