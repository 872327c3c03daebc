"""What the parser and the engine say when they do not know: they never guess."""

from __future__ import annotations


class SplError(Exception):
    """The text is no SPL, or SPL whose meaning is not implemented here or not documented by Splunk."""
