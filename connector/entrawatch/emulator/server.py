"""The emulator: a Microsoft Graph and an Entra ID token endpoint on loopback, for one synthetic tenant."""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from entrawatch.clock import SystemClock
from entrawatch.emulator.answers import RefusedError, refused
from entrawatch.emulator.authority import Authority
from entrawatch.emulator.certificate import public_key_of, server_context
from entrawatch.emulator.credentials import App, held, kept
from entrawatch.emulator.devices import Devices, managed_identity
from entrawatch.emulator.directory import Directory
from entrawatch.emulator.keep import Keep
from entrawatch.emulator.mischief import Mischief
from entrawatch.emulator.options import Logged, Options
from entrawatch.emulator.reports import Reports
from entrawatch.emulator.service import Service
from entrawatch.emulator.sockets import Server
from entrawatch.emulator.throttle import Limits, Throttle
from entrawatch.emulator.tokens import SkipTokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from entrawatch.emulator.answers import Answer, Request
    from entrawatch.emulator.faults import Fault
    from entrawatch.emulator.records import Emitted
    from entrawatch.interfaces import Clock

#: requests that are remembered; older ones are forgotten
_REMEMBERED = 100_000


class Emulator:
    """A context manager: it answers from `with` to the end of it.

    While it runs: `url` and `login_url` (https on loopback), `ca_file` that clients trust, `tenant_id`, `client_id`,
    `client_secret` and `secret_file`, `identity_endpoint` and `identity_header` (managed identity, App Service's form),
    `authority` and `devices`; `requests` is the log of what was answered, `failures` holds exceptions of the emulator
    itself, which clients see as 500.

    :param emitted: the tenant's records.
    :param faults: what goes wrong, and when.
    :param seed: of the faults' probabilities.
    :param clock: decides which records have arrived, which tokens are over, and the budgets.
    :param options: fields of `Options`.
    """

    client_id = "3d2c1b0a-6f5e-4c8d-8b9a-e17a0a7c4001"
    authority: Authority
    devices: Devices

    def __init__(
        self,
        emitted: Iterable[Emitted] = (),
        *,
        faults: Sequence[Fault] = (),
        seed: int = 0,
        clock: Optional[Clock] = None,
        **options: Any,
    ) -> None:
        self._emitted, self._options = emitted, Options(**options)
        self._faults, self._seed = tuple(faults), seed
        self.clock: Clock = clock or SystemClock()
        self.tenant_id = self._options.tenant_id
        self.client_secret = secrets.token_urlsafe(30)
        self.identity_header = secrets.token_urlsafe(30)
        self.requests: deque[Logged] = deque(maxlen=_REMEMBERED)
        self.failures: list[Exception] = []
        self._stopping = threading.Event()

    def __enter__(self) -> Emulator:
        self._directory = tempfile.TemporaryDirectory(prefix="entrawatch-emulator-")
        self._keep = Keep(Path(self._directory.name) / "records.sqlite")
        try:
            self._start()
        except BaseException:
            self._forget()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.stop()
        self._forget()

    def _forget(self) -> None:
        self._keep.close()
        self._directory.cleanup()

    def _start(self) -> None:
        folder = self._options.keep or Path(self._directory.name)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.secret_file = folder / "client-secret"
        held(self.secret_file)  # one that is refused is refused before anything is put beside it
        context, self.ca_file = server_context(folder)
        self.client_secret = kept(self.secret_file, self.client_secret)
        self._keep.add(self._emitted)  # a large tenant takes minutes: what is refused is refused before it
        self._emitted = ()
        self._server = Server(self._options.port, context, self._answer)
        self.url = self.login_url = f"https://localhost:{self._server.server_address[1]}"
        self.identity_endpoint = f"{self.url}/msi/token"
        self._service = self._build()
        self._server.start()

    def _build(self) -> Service:
        options, clock = self._options, self.clock
        self.authority = Authority(clock, self.login_url, self.tenant_id, options.domain, options.token_lifetime)
        self._app = App(self.client_id, "Entrawatch", {self.client_secret}, set(options.roles))
        self.authority.apps[self.client_id] = self._app
        self.devices = Devices(self.authority, clock, options.device_interval, options.device_polls)
        tokens = SkipTokens(clock, options.skip_token_lifetime, options.skip_token_uses)
        limits = options.throttle if isinstance(options.throttle, Limits) else Limits()
        return Service(
            authority=self.authority,
            devices=self.devices,
            directory=Directory(self.authority, clock, options.licences),
            reports=Reports(self._keep, tokens, clock, self.url, options.retention, options.shifting),
            mischief=Mischief(self._faults, self._seed, lambda seconds: clock.sleep(seconds, self._stopping)),
            clock=clock,
            throttle=Throttle(limits, clock) if options.throttle else None,
            licences=options.licences,
            identity=self._identity,
        )

    def _identity(self, request: Request) -> Answer:
        return managed_identity(self.authority, self._app, self.identity_header, request, self.clock.now().timestamp())

    def add(self, emitted: Iterable[Emitted]) -> int:
        """Take more records in while running; the number of them."""
        return self._keep.add(emitted)

    def register_certificate(self, pem: bytes) -> None:
        """Let the application sign in with this certificate (PEM)."""
        self._app.certificates.append(public_key_of(pem))

    def federated_token(self, issuer: str, subject: str) -> str:
        """Trust an outside issuer's subject, and give a token of it: what a Kubernetes token file holds."""
        self._app.federated.append((issuer, subject, self.authority.federation_key))
        return self.authority.federated_token(issuer, subject)

    def _answer(self, request: Request) -> Answer:
        at = self.clock.monotonic()
        if self._options.latency:
            self.clock.sleep(self._options.latency, self._stopping)
        try:
            answer = self._service.answer(request)
        except Exception as failure:  # the client never sees a traceback; whoever runs the emulator can
            self.failures.append(failure)
            answer = refused(RefusedError(500, "UnknownError", "An error has occurred."), request, self.clock.now())
        self.requests.append(Logged(request.method, request.path, request.query, answer.status, at))
        return answer
