"""The command line: one small module a command group; parse, one call, print, exit code."""
