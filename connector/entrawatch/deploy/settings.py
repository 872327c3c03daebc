"""What a person gives on the command line and in the environment to reach a product, checked before it is used."""

from __future__ import annotations

import os
import re
import ssl
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import urlsplit

from entrawatch.config.secrets import from_environment, from_file
from entrawatch.config.values import LOOPBACK, Wrong
from entrawatch.errors import ConfigError
from entrawatch.redaction import hide

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from entrawatch.config.model import Secret

#: Kibana's own rule for a space's id (x-pack/plugins/spaces, lib/space_schema)
_SPACE = re.compile(r"[a-z0-9_-]*")


def together(*reads: Callable[[], Any]) -> list[Any]:
    """What each of several reads gives; a person is told all that is missing at once.

    :raises ConfigError: the faults of all of them.
    """
    found: list[Any] = []
    faults: list[str] = []
    for read in reads:
        try:
            found.append(read())
        except ConfigError as error:
            faults += error.faults
    if faults:
        raise ConfigError(faults)
    return found


def address(option: str, text: str, variable: str, environ: Mapping[str, str]) -> str:
    """The URL of a product's API: the option's, else the environment variable's; no slash at its end.

    :raises ConfigError: there is none, it is no URL, or it is plain http to another machine.
    """
    where = option if text else f"{option} ({variable})"
    text = (text or environ.get(variable, "")).strip()
    if not text:
        raise ConfigError([f"{option}: not given; write {option} https://host, or set {variable}"])
    try:
        parts = urlsplit(text)
        host = parts.hostname if parts.port != 0 else None  # reading the port checks it
    except ValueError:
        host = None
    if not host or parts.scheme not in {"https", "http"} or "\\" in text:
        raise ConfigError([f"{where}: is no URL; write https://host:port"])
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError([f"{where}: has a user, a password or a query in it; write scheme, host, port and path only"])
    if parts.scheme == "http" and host not in LOOPBACK:
        raise ConfigError([f"{where}: is plain http to {host}; write https, the credential would travel in the clear"])
    return text.rstrip("/")


def secret(option: str, file: Optional[Path], variable: str, environ: Mapping[str, str]) -> Secret:
    """A credential from a file that only its owner can read, else from an environment variable; hidden from now on.

    :param option: the option that names the file, for messages.
    :raises ConfigError: there is none, others can read the file, or it cannot stand in a header.
    """
    try:
        found = from_environment(variable, environ) if file is None else from_file(file)
    except Wrong as wrong:
        where = f"{option}: {wrong}" if file else f"{wrong}; or name a file with {option}"
        raise ConfigError([where]) from None
    hide([found.reveal()])
    if not (found.reveal().isascii() and found.reveal().isprintable()):
        raise ConfigError([f"{option if file else variable}: has characters no credential has; copy it anew"])
    return found


def bundle(path: Optional[Path]) -> Optional[Path]:
    """The file of CA certificates.

    :raises ConfigError: it cannot be read, or holds none.
    """
    if path is None:
        return None
    if not (path.is_file() and os.access(path, os.R_OK)):
        raise ConfigError([f"--ca-bundle: cannot read {path}; give a PEM file of CA certificates"])
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise ConfigError(
            [f"--ca-bundle: {path} holds no CA certificate; give a PEM file of CA certificates"]
        ) from None
    return path


def space(text: str) -> str:
    """A Kibana space's id, "" for the default space.

    :raises ConfigError: it is none; a name's other characters would change the path that is asked.
    """
    if not _SPACE.fullmatch(text):
        raise ConfigError([f"--space: {text!r} is no space's id; write the one in its address, /s/ID: a-z 0-9 _ -"])
    return "" if text == "default" else text
