"""The simulator without a server: an httpx transport, for tests that move the clock themselves."""

import asyncio

import httpx

from local.genesys.server import ConnectionDropped, Simulator


class InProcess(httpx.BaseTransport):
    """`httpx.Client(transport=InProcess(simulator), base_url=...)` asks the simulator, wherever."""

    def __init__(self, simulator: Simulator) -> None:
        self._transport = httpx.ASGITransport(simulator.app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        whole = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())

        async def ask() -> httpx.Response:
            response = await self._transport.handle_async_request(whole)
            return httpx.Response(
                response.status_code, headers=response.headers, content=await response.aread()
            )

        try:
            return asyncio.run(ask())
        except ConnectionDropped as error:
            raise httpx.RemoteProtocolError("the connection was closed without an answer") from error
