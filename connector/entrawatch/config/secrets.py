"""Secrets come from the environment or from a file that only its owner can read; never from the configuration."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from entrawatch.config.model import Secret
from entrawatch.config.values import Wrong

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: what is put behind a secret's key
FORMS = ("_env", "_file")


def literal(name: str) -> str:
    """What to say of a secret that stands in the file itself. Its text is no part of it."""
    return (
        f"a secret does not stand in this file; write {name}_env: NAME_OF_A_VARIABLE or {name}_file: a file that "
        f"only you can read"
    )


def from_environment(variable: str, environ: Mapping[str, str]) -> Secret:
    """The secret in an environment variable.

    :raises Wrong: it is not set, or empty.
    """
    if not variable:
        raise Wrong("has nothing behind it; write the name of an environment variable")
    text = environ.get(variable, "").strip()
    if not text:
        raise Wrong(f"the environment variable {_shown(variable)} is not set; export it first")
    return Secret(text)


def _shown(variable: str) -> str:
    """The variable's name, unless somebody wrote the secret itself there."""
    return variable if variable.replace("_", "").isalnum() and variable.upper() == variable else "named here"


def from_file(path: Path) -> Secret:
    """The secret in a file, without the white space around it.

    :raises Wrong: it cannot be read, is empty, or others can read it.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Wrong(f"{path} cannot be read ({error.strerror or error})") from None
    except ValueError:
        raise Wrong(f"{path} is not UTF-8 text") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Wrong(f"{path} can be read by others (mode {stat.S_IMODE(mode):04o}); run chmod 600 {path}")
    if not text:
        raise Wrong(f"{path} is empty")
    return Secret(text)
