"""The hunt over exported logs."""
