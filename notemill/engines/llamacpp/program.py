"""llama.cpp's own OpenAI-compatible HTTP server, from the `xllamacpp` wheel, as a command.

    python -m notemill.engines.llamacpp.program --model MODEL.gguf --slots 4 --context 8192

Once requests can be answered, one line says where on standard error:
`Listening on 127.0.0.1:PORT`. The server ends with status 0 at SIGTERM or SIGINT and when the
process that started it has gone. What keeps it from starting is one line on standard error and
status 1. Prompts and answers are never logged. What the server's answers look like, and which
parts of a JSON schema it enforces: docs/engines-llamacpp.md.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, NoReturn
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import xllamacpp

LOG_ERRORS_ONLY = 1
"""llama.cpp's log level. From level 4 on it would log prompts."""

PARENT_CHECK_SECONDS = 0.5
LOG_SECONDS = 5.0
"""How long llama.cpp may take to write why it could not start."""


class StartError(Exception):
    """The server can't start; the message is for the user."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Serve until told to end; ends the process."""
    options = _parser().parse_args(arguments)
    parent = os.getppid()
    # llama.cpp says on standard error why it could not start, in many lines and from a thread of
    # its own: they go to a file, and the user gets one line.
    own_stderr = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            server = _start(options, log)
        except StartError as error:
            os.write(own_stderr, f"Error: {error}\n".encode())
            os._exit(1)  # at once: its threads still write to standard error
        os.dup2(own_stderr, 2)
    address = urlsplit(server.listening_address)
    print(f"Listening on {address.hostname}:{address.port}", file=sys.stderr, flush=True)
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(0)


def _start(options: argparse.Namespace, log: IO[bytes]) -> xllamacpp.Server:
    """Load the model and start the server in this process; returns when it answers.

    `log` is where standard error goes. Raises StartError.
    """
    model: Path = options.model
    _check_model(model)
    key = _api_key(options.api_key_file) if options.api_key_file else None

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {options.alias or model.stem}
    params.hostnames = [options.host]
    params.port = options.port
    params.n_parallel = options.slots
    params.n_ctx = options.context * options.slots  # llama.cpp divides it among the slots
    params.kv_unified = False
    params.fit_params = False  # would shrink the context to what fits into memory
    params.ctx_shift = False
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    params.ui = False
    params.endpoint_slots = False
    params.endpoint_metrics = True  # counts alone, and behind the key
    params.offline = True
    params.verbosity = LOG_ERRORS_ONLY
    params.cpuparams.n_threads = options.threads or len(os.sched_getaffinity(0))
    params.cpuparams_batch.n_threads = params.cpuparams.n_threads
    if key is not None:
        params.api_keys = [key]
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise StartError(_reason(log, model, options.host, options.port)) from error
    # llama.cpp has put its own handlers in place, which wait for running requests.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))

    held = _context_length(server.listening_address, key)
    if held < options.context:
        raise StartError(
            f"the model {model} holds at most {held} tokens, --context asks for {options.context}"
        )
    return server


def _context_length(address: str, key: str | None) -> int:
    """Tokens per slot, as the running server gives them."""
    request = Request(address + "/v1/models")
    if key is not None:
        request.add_header("Authorization", f"Bearer {key}")
    without_proxy = build_opener(ProxyHandler({}))
    with without_proxy.open(request, timeout=60) as reply:
        length = json.load(reply)["data"][0]["meta"]["n_ctx"]
    return int(length)


def _check_model(model: Path) -> None:
    try:
        with model.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise StartError(f"cannot read the model file {model}: {error.strerror}") from error
    if magic != b"GGUF":
        raise StartError(f"the model file {model} is not a GGUF file")


def _api_key(path: Path) -> str:
    try:
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"cannot read the API key file {path}: {error}") from error
    if not key:
        raise StartError(f"the API key file {path} is empty")
    return key


def _reason(log: IO[bytes], model: Path, host: str, port: int) -> str:
    """One line for what llama.cpp wrote while it failed to start; a thread of its own writes it."""
    deadline = time.monotonic() + LOG_SECONDS
    lines: list[str] = []
    while not any(" E " in line for line in lines) and time.monotonic() < deadline:
        time.sleep(0.05)
        log.seek(0)
        lines = log.read().decode(errors="replace").splitlines()
    if any("couldn't bind" in line for line in lines):
        return f"cannot listen on {host}:{port}; is the port taken, or the address not this host's?"
    errors = [line.partition(" E ")[2] for line in lines if " E " in line]
    detail = errors[0] if errors else "llama.cpp gave no reason"
    return f"cannot load the model file {model}: {detail.strip()}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m notemill.engines.llamacpp.program",
        description="Serve a GGUF model by llama.cpp's OpenAI-compatible HTTP server.",
    )
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=_port, default=0, help="0: any free port (the default)")
    parser.add_argument("--context", type=_positive, default=4096, help="tokens, per slot")
    parser.add_argument("--slots", type=_positive, default=1, help="requests answered at once")
    parser.add_argument("--threads", type=_positive, help="CPU threads (default: all allowed)")
    parser.add_argument("--api-key-file", type=Path, help="a file that holds the key to ask for")
    parser.add_argument("--alias", help="the model's name in the API (default: the file's)")
    return parser


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"must be 0 to 65535, not {number}")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {number}")
    return number


if __name__ == "__main__":
    main()
