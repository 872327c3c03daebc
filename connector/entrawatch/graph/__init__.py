"""SOURCE: Microsoft Graph: credentials, requests, pages, limits."""
