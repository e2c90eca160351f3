"""Who may ask what, and what every answer says to browsers."""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import secrets
import time
from typing import Annotated, Any

import anyio.to_thread
from fastapi import Depends, Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.audit import Note
from service.context import Service, service_of
from service.errors import ProblemError, answer
from service.keys import LOCAL, Identity

log = logging.getLogger("cs3.api")

_REMEMBER = 5.0  # seconds for which a key that was looked up is believed
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Gate:
    """Keys, looked up and remembered for some seconds."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Identity | None]] = {}
        self._needed: tuple[float, bool] = (0.0, False)

    async def key_required(self, service: Service) -> bool:
        """Whether a request needs a key: when there ever was one, or others can reach the service."""
        if not service.settings.on_loopback:
            return True
        until, needed = self._needed
        if not needed and time.monotonic() > until:
            needed = await anyio.to_thread.run_sync(service.keys.any)
            self._needed = (time.monotonic() + _REMEMBER, needed)
        return needed

    async def identify(self, service: Service, key: str) -> Identity | None:
        """Whose key it is."""
        digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
        until, identity = self._known.get(digest, (0.0, None))
        if time.monotonic() > until:
            identity = await anyio.to_thread.run_sync(service.keys.identify, key)
            if len(self._known) > 10_000:
                self._known.clear()
            self._known[digest] = (time.monotonic() + _REMEMBER, identity)
        return identity


async def who(request: Request) -> Identity:
    """Who asks.

    Raises:
        ProblemError: 401 without a good key where one is needed; 403 from elsewhere where none is.
    """
    service, gate = service_of(request), request.app.state.gate
    if not await gate.key_required(service):
        _refuse_strangers(request)
        return _known(request, LOCAL)
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    identity = None
    if scheme.lower() == "bearer" and key:
        identity = await gate.identify(service, key.strip())
    if identity is None:
        raise ProblemError(
            401,
            "unauthorized",
            "Expected an API key, found none or one that is not, or no more, valid.",
            "Send the header Authorization: Bearer cs3_…; `cs3 service keys create` makes keys.",
            headers={"WWW-Authenticate": 'Bearer realm="cs3"'},
        )
    return _known(request, identity)


def allowed(scope: str) -> Any:
    """A dependency: who asks, refused unless the scope is theirs."""

    async def check(request: Request) -> Identity:
        identity = await who(request)
        if not identity.may(scope):
            raise ProblemError(
                403,
                "forbidden",
                f"Expected a key with the scope {scope}, found one without.",
                "Use another key, or ask who runs the service for one.",
            )
        return identity

    return Depends(check)


Submitter = Annotated[Identity, allowed("submit")]
Reader = Annotated[Identity, allowed("read")]
Reviewer = Annotated[Identity, allowed("review")]
Operator = Annotated[Identity, allowed("metrics")]


def _known(request: Request, identity: Identity) -> Identity:
    request.state.identity = identity
    return identity


def _refuse_strangers(request: Request) -> None:
    """Without keys only this machine may ask, and no web page of elsewhere through its browser."""
    client = request.client.host if request.client else ""
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    strange = origin is not None and _host_name(origin.partition("://")[2]) not in _LOOPBACK_NAMES
    if not _is_loopback(client) or _host_name(host) not in _LOOPBACK_NAMES or strange:
        raise ProblemError(
            403,
            "forbidden",
            "Without API keys the service answers this machine alone, and found a request from elsewhere.",
            "Ask at http://127.0.0.1, or let who runs the service make a key with `cs3 service keys create`.",
        )


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return parsed.is_loopback or bool(mapped and mapped.is_loopback)


class Guard:
    """Around every request: its id, the headers of its answer, metrics, and a note in the audit log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        service: Service = scope["app"].state.service
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        began, status = time.perf_counter(), 500

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                headers["X-Request-ID"] = request_id
                path = _template(scope)
                service.metrics.seconds.labels(_method(scope), path).observe(time.perf_counter() - began)
                service.metrics.requests.labels(_method(scope), path, str(status)).inc()
            await send(message)

        service.metrics.open.inc()
        try:
            with service.limits.requests.one("requests", 2):
                await self._app(scope, receive, send_on)
        except ProblemError as problem:  # of the limit: everything within answers for itself
            await answer(Request(scope), problem)(scope, receive, send_on)
        finally:
            service.metrics.open.dec()
            if scope["path"].startswith("/v1/"):
                _note(service, scope, status, request_id)


def _note(service: Service, scope: Scope, status: int, request_id: str) -> None:
    state = scope["state"]
    identity: Identity | None = state.get("identity")
    known = (
        identity.name
        if identity and not identity.key_id
        else f"{identity.name} ({identity.key_id})"
        if identity
        else "unknown"
    )
    client = scope.get("client")
    service.audit.note(
        Note(
            who=known[:120],
            address=(client[0] if client else "")[:64],
            action=f"{_method(scope)} {_shown_path(scope)}"[:300],
            status=status,
            request_id=request_id,
            detail=state.get("audit", {}),
        ),
        identity.key_id if identity else "",
    )


def _template(scope: Scope) -> str:
    """The path with names for what varies, so that metrics stay few."""
    route = scope.get("route")
    return getattr(route, "path", "other")


def _shown_path(scope: Scope) -> str:
    """The path itself where a route of ours matched, which takes ids and numbers only."""
    return scope["path"] if scope.get("route") is not None else "other"


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "OTHER"
