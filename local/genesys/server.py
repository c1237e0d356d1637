"""The simulator as an ASGI application, and as a server on loopback."""

import asyncio
import base64
import binascii
import contextlib
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from local.genesys.access import Client, open_access
from local.genesys.clock import Clock, WallClock, iso
from local.genesys.compliance import Compliance, speaks
from local.genesys.delivery import THREADS, Writer, write
from local.genesys.endpoint import Call, Endpoint
from local.genesys.errors import OAuthError, PlatformError, compliance_body
from local.genesys.exports import Delivery, Exports
from local.genesys.faults import Faults, canned
from local.genesys.ids import uuid_for
from local.genesys.organisation import build
from local.genesys.platform import Platform
from local.genesys.requestlog import RequestLog, redacted
from local.genesys.scenario import Scenario

MAX_BODY_BYTES = 512_000
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class ConnectionDropped(Exception):
    """The connection ends without an answer. Only seen where there is no connection to close: in process."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came in. `body`: JSON, the fields of a form, None, or a mark of what is wrong."""

    method: str
    path: str
    query: Mapping[str, str]
    content_type: str
    body: object
    authorization: str
    correlation_id: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    content: bytes
    headers: dict[str, str]


class Simulator:
    """One organisation, its platform, and everything it was asked.

    Raises: ScenarioError, when the scenario's faults ask for more recordings than there are.
    """

    def __init__(
        self, scenario: Scenario, writer: Writer, clock: Clock | None = None, log: RequestLog | None = None
    ) -> None:
        self.scenario = scenario
        self.clock = clock or WallClock()
        self.log = log or RequestLog()
        self.access = open_access(scenario.seed, scenario.organization)
        organisation = build(scenario)
        self.exports = Exports(scenario, organisation)
        self.platform = Platform(scenario, organisation, self.access, self.exports)
        self.platform.begin(self.clock.now())
        self.compliance = Compliance(scenario, self.access, self.exports)
        self._endpoints: list[Endpoint] = [*self.platform.endpoints(), *self.compliance.endpoints()]
        self._writer = writer
        self._faults = Faults(scenario.request_faults)
        self._requests = 0
        self.app = Starlette(routes=[Route("/{path:path}", self._serve, methods=_METHODS)])

    def announcement(self, url: str) -> dict[str, Any]:
        """What a user of the simulator needs to know."""
        return {
            "url": url,
            "clients": [
                {"id": client.id, "secret": client.secret, "role": client.role}
                for client in self.access.clients.values()
            ],
            "integration_id": self.scenario.organization.integration_id,
            "interval": self.scenario.interval,
            "organization_id": self.scenario.organization.id,
        }

    # --- deliveries -------------------------------------------------------------------------------

    def deliver_due(self) -> int:
        """Writes what is due, one object after the other; gives the number of deliveries."""
        count = 0
        while due := self._due():
            for delivery in due:
                self._finish(delivery, written=self._write(delivery))
            count += len(due)
        return count

    async def deliver(self, tick_s: float = 0.05) -> None:
        """Writes what is due as long as it is not cancelled, on many threads."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(THREADS, thread_name_prefix="delivery") as pool:

            async def one(delivery: Delivery) -> None:
                written = await loop.run_in_executor(pool, self._write, delivery)
                self._finish(delivery, written=written)

            running: set[asyncio.Task[None]] = set()
            try:
                while True:
                    for delivery in self._due():
                        task = asyncio.create_task(one(delivery))
                        running.add(task)
                        task.add_done_callback(running.discard)
                    await asyncio.sleep(tick_s)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                for task in running:
                    task.cancel()

    def _due(self) -> list[Delivery]:
        now = self.clock.now()
        self.platform.expire(now)
        return self.exports.due(now)

    def _write(self, delivery: Delivery) -> bool:
        files = self.exports.files(delivery)
        written = [write(self._writer, f"{delivery.folder}/{file.name}", file) for file in files]
        return all(written)

    def _finish(self, delivery: Delivery, *, written: bool) -> None:
        self.exports.finished(delivery, self.clock.now(), written=written)

    # --- requests ---------------------------------------------------------------------------------

    async def _serve(self, request: Request) -> Response:
        self._requests += 1
        asked = await _read(request, uuid_for(self.scenario.seed, "request", self._requests))
        at = self.clock.now()
        reply: Reply | None = None
        try:
            reply = await self._answer(asked)
        finally:
            client = self._client(asked.authorization)
            self.log.add(
                {
                    "at": iso(at),
                    "method": asked.method,
                    "path": asked.path,
                    "query": dict(asked.query),
                    "headers": redacted(request.headers),
                    "body": _without_secret(asked.body),
                    # 0: no answer was given
                    "status": reply.status if reply else 0,
                    "client_id": client.id if client else "",
                    "correlation_id": asked.correlation_id,
                }
            )
        if reply is None:
            await _drop(request)
            return Response()
        headers = {"ININ-Correlation-Id": asked.correlation_id} | reply.headers
        return Response(reply.content, reply.status, headers)

    async def _answer(self, asked: Asked) -> Reply | None:
        """None: the caller gets to see no answer."""
        client = self._client(asked.authorization)
        then = self._faults.meet(asked.method, asked.path, client.role if client else None)
        if then is None:
            return self._reply(asked)
        if then.delay_s:
            await self.clock.sleep(then.delay_s)
        if then.revoke_token and (token := self.access.holder(asked.authorization)):
            token.revoked = True
        if then.drop:
            return None
        if then.status is not None:
            status, content, headers = canned(then, partial(_shape, asked), self.clock.now())
            return Reply(status, content, dict(self._rate_headers(asked.authorization)) | headers)
        reply = self._reply(asked)
        match then.lose_answer:
            case "close":
                return None
            case "504":
                lost = PlatformError(504, "The request timed out.")
                return _json(504, _shape(asked, lost), {})
        return Reply(reply.status, reply.content, reply.headers | dict(then.headers))

    def _rate_headers(self, authorization: str) -> Mapping[str, str]:
        token = self.access.holder(authorization)
        if token is None:
            return {}
        try:
            return self.access.count(token, self.clock.now())
        except PlatformError as error:
            return error.headers

    def _reply(self, asked: Asked) -> Reply:
        headers: dict[str, str] = {}
        try:
            self._check_size(asked)
            now = self.clock.now()
            self.platform.expire(now)
            if (asked.method, asked.path) == ("POST", "/oauth/token"):
                return self._token(asked, now)
            endpoint, path = self._endpoint(asked.method, asked.path)
            if speaks(asked.path):
                self.compliance.refuse_stale(self.access.holder(asked.authorization), now)
            token = self.access.authenticate(asked.authorization, now)
            headers = self.access.count(token, now)
            endpoint.needs.check(token.client)
            _check_json(asked)
            answer = endpoint.handle(Call(path, asked.query, asked.body, token.client, token.value, now))
        except OAuthError as error:
            return _json(error.status, error.body(), {"Retry-After": "60"} if error.status == 429 else {})
        except PlatformError as error:
            return _json(error.status, _shape(asked, error), headers | dict(error.headers))
        headers |= answer.headers
        return (
            Reply(answer.status, b"", headers)
            if answer.body is None
            else _json(answer.status, answer.body, headers)
        )

    def _check_size(self, asked: Asked) -> None:
        """Raises: PlatformError 413."""
        compliance = self.scenario.organization.compliance
        most = compliance.max_body_bytes if speaks(asked.path) else MAX_BODY_BYTES
        if asked.size_bytes > most:
            raise PlatformError(
                413,
                "The request is larger than {limit} bytes",
                params={"limit": str(most)},
                limit={"key": "request.bytes.max", "namespace": "platform.api", "value": str(most)},
            )

    def _endpoint(self, method: str, path: str) -> tuple[Endpoint, Mapping[str, str]]:
        """Raises: PlatformError 404, or 405 if only the method is wrong."""
        found = [
            (endpoint, parts) for endpoint in self._endpoints if (parts := endpoint.match(path)) is not None
        ]
        for endpoint, parts in found:
            if endpoint.method == method:
                return endpoint, parts
        if found or path == "/oauth/token":
            raise PlatformError(405, "{method} is not allowed here", params={"method": method})
        raise PlatformError(404, "HTTP 404 Not Found: {path}", params={"path": path})

    def _token(self, asked: Asked, now: datetime) -> Reply:
        form = asked.body if isinstance(asked.body, dict) else {}
        client_id, secret = _basic(asked.authorization) or (
            str(form.get("client_id", "")),
            str(form.get("client_secret", "")),
        )
        token = self.access.token_request(client_id, secret, str(form.get("grant_type", "")), now)
        body = {
            "access_token": token.value,
            "token_type": "bearer",
            "expires_in": self.access.token_life_s,
            "scope": " ".join(sorted(token.client.scopes)),
        }
        return _json(200, body, {"Cache-Control": "no-store"})

    def _client(self, authorization: str) -> Client | None:
        if token := self.access.holder(authorization):
            return token.client
        basic = _basic(authorization)
        return self.access.clients.get(basic[0]) if basic else None


_UNREADABLE = object()
_TOO_LARGE = object()


async def _read(request: Request, correlation_id: str) -> Asked:
    """The whole request; of a body that is too large the rest is read and forgotten."""
    parts, size = [], 0
    with contextlib.suppress(ClientDisconnect):
        async for part in request.stream():
            size += len(part)
            if size <= MAX_BODY_BYTES:
                parts.append(part)
    content_type = request.headers.get("content-type", "application/json")
    return Asked(
        method=request.method,
        path=request.url.path,
        query=dict(request.query_params),
        content_type=content_type,
        body=_TOO_LARGE if size > MAX_BODY_BYTES else _parsed(content_type, b"".join(parts)),
        authorization=request.headers.get("authorization", ""),
        correlation_id=correlation_id,
        size_bytes=size,
    )


def _parsed(content_type: str, raw: bytes) -> object:
    """JSON, a form, or what says that it is neither."""
    if not raw:
        return None
    if "form-urlencoded" in content_type:
        return dict(parse_qsl(raw.decode("utf-8", "replace")))
    try:
        return json.loads(raw)
    except ValueError:
        return _UNREADABLE


def _shape(asked: Asked, error: PlatformError) -> dict[str, Any]:
    """An error's body, in the dialect of the path."""
    return compliance_body(error) if speaks(asked.path) else error.body(asked.correlation_id)


def _check_json(asked: Asked) -> None:
    if asked.body is None or asked.method in {"GET", "DELETE"}:
        return
    if "json" not in asked.content_type:
        raise PlatformError(
            415, "Expected application/json, found {type}", params={"type": asked.content_type}
        )
    if asked.body is _UNREADABLE:
        raise PlatformError(400, "The request body is no JSON", "bad.request")


def _without_secret(body: object) -> object:
    if body in (_UNREADABLE, _TOO_LARGE):
        return "(too large)" if body is _TOO_LARGE else "(unreadable)"
    if isinstance(body, dict):
        return {name: value for name, value in body.items() if name != "client_secret"}
    return body


def _json(status: int, body: object, headers: Mapping[str, str]) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"content-type": "application/json"} | dict(headers))


def _basic(authorization: str) -> tuple[str, str] | None:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return client_id, secret


# --- the server -----------------------------------------------------------------------------------

_CONNECTIONS: dict[Any, asyncio.Transport] = {}


class _Protocol(H11Protocol):
    """Remembers its connection, so that a fault can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        _CONNECTIONS[transport.get_extra_info("peername")] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        _CONNECTIONS.pop(self.transport.get_extra_info("peername"), None)
        super().connection_lost(exc)


async def _drop(request: Request) -> None:
    peer = request.scope.get("client")
    transport = _CONNECTIONS.get(tuple(peer)) if peer else None
    if transport is None:
        raise ConnectionDropped(request.url.path)
    transport.abort()
    # the loop notices the end of the connection before the framework looks for one
    await asyncio.sleep(0.01)


class _Server(uvicorn.Server):
    """Leaves the signals to whoever starts it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    simulator: Simulator,
    port: int,
    listening: Callable[[dict[str, Any]], None],
    stop: asyncio.Event,
) -> None:
    """Serves on 127.0.0.1 until `stop` is set. Port 0: any; `listening` is told by the announcement.

    Raises: OSError, when the port is taken.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on 127.0.0.1:{port}: {error.strerror}") from error
        server = _Server(
            uvicorn.Config(
                simulator.app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_level="error",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        delivering = asyncio.create_task(simulator.deliver())
        stopped = asyncio.create_task(stop.wait())
        try:
            while not server.started and not serving.done():
                await asyncio.sleep(0.005)
            if server.started:
                listening(simulator.announcement(f"http://127.0.0.1:{listener.getsockname()[1]}"))
            await asyncio.wait({serving, delivering, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            server.should_exit = True
            delivering.cancel()
            stopped.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await delivering
            await serving
            simulator.log.close()
