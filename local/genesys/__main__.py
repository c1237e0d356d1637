"""`python -m local.genesys --port N`: the simulator alone. Prints one JSON line once it listens."""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from local.genesys.delivery import writer_for
from local.genesys.requestlog import RequestLog
from local.genesys.scenario import DEFAULT, ScenarioError, load_scenario
from local.genesys.server import Simulator, serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.genesys", description="A Genesys Cloud simulator.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free one)")
    parser.add_argument("--scenario", type=Path, default=DEFAULT, help="scenario file (docs/scenarios.md)")
    parser.add_argument("--requests", type=Path, help="write every request to this file, as JSON Lines")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("build/genesys"),
        help="where exports go without S3_ENDPOINT_URL and BUCKET (default: %(default)s)",
    )
    arguments = parser.parse_args()
    try:
        scenario = load_scenario(arguments.scenario)
        writer = writer_for(os.environ, arguments.folder, scenario.organization.id)
        simulator = Simulator(scenario, writer, log=RequestLog(arguments.requests))
        asyncio.run(_run(simulator, arguments.port))
    except (ScenarioError, OSError) as error:
        print(error.strerror or error if isinstance(error, OSError) else error, file=sys.stderr)
        return 2
    # A thread may hang in a write to a bucket that does not answer; nobody waits for it.
    sys.stdout.flush()
    os._exit(0)


async def _run(simulator: Simulator, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(simulator, port, lambda said: print(json.dumps(said), flush=True), stop)


if __name__ == "__main__":
    sys.exit(main())
