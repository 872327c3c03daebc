"""The modular input: what Splunk starts, in Splunk's own Python (3.9 or 3.13), inside the packaged app."""
