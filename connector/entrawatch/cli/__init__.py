"""The command line: one small module a command group; parse, one call, print, exit code.

A command's module has `NAME`, `HELP`, `EXAMPLES`, `add(parser)` and `run(arguments) -> exit code`. It imports
other rooms inside its functions only, so that each command loads what it uses.
"""
