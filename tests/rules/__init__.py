"""The rule line, held against its meaning."""
