"""SPL, parsed and run: written from Splunk's documentation for the tests, since no engine can be had without Splunk."""
