"""
Text from an audit record, fit for a terminal: what a client has sent must not move the cursor or change a colour.

Called by whatever is about to show a host, a path or a reason. Pure.
"""

# A path of this length is looked at in the file, not in a line of a terminal.
MAX_SHOWN = 300


def escaped(text: str, limit: int = MAX_SHOWN) -> str:
    r"""The text with everything that is not printable as `\x1b` or `\u202e`, and cut to `limit` characters."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escape(ord(character)) for character in text)


def _escape(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
