"""PURE: a record in any known shape becomes a common event. No I/O, no clock."""

from entrawatch.normalize.event import normalize

__all__ = ["normalize"]
