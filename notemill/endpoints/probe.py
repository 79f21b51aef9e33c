"""Whether this computer's own endpoint can be used: what Kubernetes asks of a server's pod.

    python -m notemill.endpoints.probe FOLDER

Ends with 0 when a server of this node has published itself in the folder, so that its model is
loaded and proven, renews that, and answers to its token that it is ready; else with 1 and why.
"""

from __future__ import annotations

import asyncio
import platform
import sys
from pathlib import Path

from notemill.endpoints.publication import Published, published
from notemill.endpoints.standing import STANDING_PATH, Standing
from notemill.engines.http import Http
from notemill.engines.protocol import EngineGone, RequestFailed
from notemill.errors import NotemillError

_ANSWER_S = 15.0


def probe(folder: Path, node: str) -> str | None:
    """Why no endpoint of the node can be used, None where one can."""
    try:
        found = published(folder)
    except NotemillError as error:
        return error.what
    mine = [each for each in found.endpoints if each.endpoint.node == node]
    if not mine:
        over = [each for each in found.passed_over if each.endpoint and each.endpoint.node == node]
        return "; ".join(each.reason for each in over) or "no server of this node is published yet"
    problems = [asyncio.run(_problem(each)) for each in mine]
    return None if None in problems else "; ".join(filter(None, problems))


async def _problem(one: Published) -> str | None:
    http = Http(one.endpoint.address, one.token, one.endpoint.certificate, ours=True)
    try:
        async with asyncio.timeout(_ANSWER_S):
            response = await http.get(STANDING_PATH)
        if not response.ok:
            return f"{one.name}: {response.told}"
        state = Standing.model_validate_json(response.body).state
        return None if state == "ready" else f"{one.name}: {state}"
    except (EngineGone, RequestFailed, ValueError) as error:
        return f"{one.name}: {error}"
    except TimeoutError:
        return f"{one.name}: no answer in {_ANSWER_S:g} s"
    finally:
        await http.close()


if __name__ == "__main__":
    sys.exit(probe(Path(sys.argv[1]), platform.node()))
