"""What the generated script of the input asks for; all of it is in the package under lib/."""

import import_declare_test  # noqa: F401 - puts lib/ before Python's own path

from entrawatch.splunk import script


def validate_input(definition):
    """Check what an admin is about to save."""
    script.validate_input(definition)


def stream_events(inputs, event_writer):
    """Collect."""
    script.stream_events(inputs, event_writer)
