"""The llama.cpp that comes with notemill, as a command with OpenAI's interface."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from importlib import metadata
from pathlib import Path

from notemill.config import LlamaCppEngine, OpenAiEngine
from notemill.engines.gpu import gpu_expected
from notemill.engines.openai.client import OpenAiClient
from notemill.engines.openai.server import proven_openai
from notemill.engines.protocol import Start
from notemill.logs import log

PROGRAM = Path(__file__).with_name("program.py")
_COMMAND = [
    *("{python}", "-P", str(PROGRAM)),
    *("--model", "{weights}", "--alias", "{model}", "--port", "{port}"),
    *("--slots", "{slots}", "--context", "{context}", "--threads", "{threads}"),
    *("--api-key-file", "{api_key_file}"),
]


def proven_llamacpp(
    engine: LlamaCppEngine, start: Start
) -> AbstractAsyncContextManager[OpenAiClient]:
    """A server of the job's own that has shown what docs/engines.md lists."""
    if gpu_expected(engine.gpu):
        log.warning(
            "the GPU that this job was given stays idle: the embedded llama.cpp does not use it"
        )
    values = engine.model_dump() | {"kind": "openai", "command": _COMMAND, "gpu": "off"}
    # The wheel's server does not know its own build.
    program = f"llama.cpp (xllamacpp {metadata.version('xllamacpp')})"
    return proven_openai(OpenAiEngine(**values), start, program=program)
