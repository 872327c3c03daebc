"""The catalogue's sixteen scenarios as labelled stories, one module a family."""
