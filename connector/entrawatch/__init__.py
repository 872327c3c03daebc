"""Entrawatch: Entra ID logs from Microsoft Graph to Splunk, Elasticsearch and files."""

from __future__ import annotations

__version__ = "0.1.0"
