"""What the app's pages have stored, as splunkd gives it: accounts, proxy, log level.

solnlib puts the encrypted fields back in from storage/passwords; see
https://splunk.github.io/addonfactory-solutions-library-python/conf_manager/. The secret is in clear only in the memory
of this process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import urlsplit

from solnlib.conf_manager import ConfManager, ConfManagerException, ConfStanzaNotExistException
from splunklib.binding import AuthenticationError, HTTPError

from entrawatch.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

APP = "entrawatch"
ACCOUNTS, SETTINGS = f"{APP}_account", f"{APP}_settings"


class Splunkd:
    """splunkd, asked with the session key that it gave the input.

    :param uri: its address, from the input's own definition.
    """

    def __init__(self, uri: str, session_key: str) -> None:
        at = urlsplit(uri)
        self._at = {"scheme": at.scheme, "host": at.hostname, "port": at.port}
        self._key = session_key

    def account(self, name: str) -> Mapping[str, Optional[str]]:
        """An account's stanza with its secret.

        :raises ConfigError: there is none of that name.
        :raises SourceError: splunkd does not answer.
        """
        found = self._stanza(ACCOUNTS, name)
        if found is None:
            raise ConfigError([f"account {name}: there is none of that name; add it on the Configuration page"])
        return found

    def proxy(self) -> Mapping[str, Optional[str]]:
        """The proxy's stanza with its password; {} where nobody has saved one.

        :raises SourceError: splunkd does not answer.
        """
        return self._stanza(SETTINGS, "proxy") or {}

    def log_level(self) -> str:
        """The level chosen on the Logging page; INFO where nobody has.

        :raises SourceError: splunkd does not answer.
        """
        return str((self._stanza(SETTINGS, "logging") or {}).get("loglevel") or "INFO")

    def _stanza(self, conf: str, name: str) -> Optional[dict[str, Any]]:
        try:
            manager = ConfManager(self._key, APP, realm=f"__REST_CREDENTIAL__#{APP}#configs/conf-{conf}", **self._at)
            return dict(manager.get_conf(conf).get(name))
        except (ConfManagerException, ConfStanzaNotExistException):
            return None
        except (HTTPError, AuthenticationError, OSError) as error:
            # `from None`: the chain may hold the session key
            raise SourceError(f"splunkd does not give {conf} ({type(error).__name__}); see splunkd.log") from None
