"""SINKS: a write that returns has been stored."""
