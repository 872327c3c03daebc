"""What the libraries in the app import of Splunk's own Python package; tests put its folder on PYTHONPATH."""
