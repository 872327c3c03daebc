"""HUNT: exported logs in DuckDB, the SQL dialect's own text, findings and a report."""
