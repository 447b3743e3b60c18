"""Text for readers of terminals and pages, in which every character can be seen."""

import unicodedata

# Control and format characters (bidirectional overrides among them), line and paragraph separators,
# lone surrogates, private use, unassigned: nothing a reader could see.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def shown(text: str) -> str:
    """`text` on its lines, with other unseen characters written out as JSON escapes."""
    return "\n".join(visible(line) for line in text.split("\n"))


def visible(text: str) -> str:
    """`text` on one line, with unseen characters written out as JSON escapes."""
    return "".join(
        _escape(character) if unicodedata.category(character) in _UNSEEN else character
        for character in text
    )


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
