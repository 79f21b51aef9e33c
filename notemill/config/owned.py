"""What notemill sets itself, and what to write instead where a configuration would override it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_OPTION = "write it as a key of `options` itself"
_SCHEMA = "the answer's form comes from the task's schema.py"
_PROMPT = "what is asked comes from the task's prompts"
_OWN = "notemill sends its own"

OWNED_OPTIONS: Mapping[str, str] = {
    **dict.fromkeys(
        ("num_ctx", "num_predict", "seed", "temperature", "top_k", "top_p", "min_p"), _OPTION
    ),
    **dict.fromkeys(("repeat_penalty", "think"), _OPTION),
    **dict.fromkeys(
        ("max_tokens", "max_completion_tokens", "n_predict"), "write options.num_predict"
    ),
    **dict.fromkeys(("n_ctx", "max_model_len"), "write options.num_ctx"),
    "repetition_penalty": "write options.repeat_penalty",
    **dict.fromkeys(("format", "response_format", "json_schema", "grammar"), _SCHEMA),
    **dict.fromkeys(("structured_outputs", "guided_json", "guided_regex"), _SCHEMA),
    **dict.fromkeys(("guided_choice", "guided_grammar", "tools", "tool_choice"), _SCHEMA),
    **dict.fromkeys(("messages", "prompt", "system", "template", "raw", "context"), _PROMPT),
    "model": "write the experiment's `model`",
    **dict.fromkeys(("stream", "stream_options", "n", "best_of", "keep_alive"), _OWN),
    **dict.fromkeys(("truncate", "shift", "options"), _OWN),
    **dict.fromkeys(
        ("num_gpu", "main_gpu", "num_batch", "num_thread", "use_mmap", "draft_num_predict"),
        "write it into the engine's `runner_options`",
    ),
}
"""Keys that `options.extra` may not hold."""

_FREE = {
    "OLLAMA_": "GPU_OVERHEAD IGPU_ENABLE INTEL_GPU LLM_LIBRARY MAX_QUEUE MAX_TRANSFER_STREAMS "
    "NEW_ESTIMATES SCHED_SPREAD VULKAN",
    "LLAMA_ARG_": "BATCH CPU_MOE DEVICE FIT FIT_TARGET KV_OFFLOAD LOAD_MODE MAIN_GPU MLOCK MMAP "
    "NO_KV_OFFLOAD NO_MMAP NUMA N_CPU_MOE N_GPU_LAYERS OFFLINE OVERRIDE_TENSOR REPACK SPLIT_MODE "
    "TENSOR_SPLIT THREADS THREADS_HTTP TIMEOUT UBATCH",
    "LLAMA_LOG_": "",
}
"""By their beginning, the variables that change speed alone. All others of a beginning are
notemill's, or would change answers without a word of it in the experiment."""

_INSTEAD = {
    "OLLAMA_MODELS": "the engine's `models`",
    "OLLAMA_KV_CACHE_TYPE": "the engine's `kv_cache_type`",
    "OLLAMA_FLASH_ATTENTION": "the engine's `flash_attention`",
    "OLLAMA_NUM_PARALLEL": "the engine's `slots`",
    "OLLAMA_LOAD_TIMEOUT": "the engine's `start_timeout_s`",
    "OLLAMA_CONTEXT_LENGTH": "the experiment's `options.num_ctx`",
    "LLAMA_ARG_CTX_SIZE": "the experiment's `options.num_ctx`",
    "LLAMA_ARG_N_PARALLEL": "the engine's `slots`",
}
_OTHERS = {
    "HOME": "each job has a home of its own",
    "NO_PROXY": "notemill keeps loopback past any proxy",
    "no_proxy": "notemill keeps loopback past any proxy",
    "OLLAMA_HOST": "each job takes a free port of its own",
}
_LOGS = ("OLLAMA_DEBUG", "LLAMA_LOG_", "LLAMA_ARG_LOG_")


def refused_variables(names: Iterable[str]) -> list[str]:
    """A line for each variable that a server's `environment` may not set."""
    return [f"{name}: {why}" for name in names if (why := _why_not(name))]


def refused_options(extra: Mapping[str, Any]) -> list[str]:
    """A line for each key that `options.extra` may not hold."""
    return [f"{key}: {OWNED_OPTIONS[key]}" for key in extra if key in OWNED_OPTIONS]


def beginnings() -> tuple[str, ...]:
    """How the names of all variables begin that mean something to Ollama or llama.cpp."""
    return tuple(_FREE)


def _why_not(name: str) -> str:
    if name in _INSTEAD:
        return f"write {_INSTEAD[name]} instead"
    if name in _OTHERS:
        return _OTHERS[name]
    if name.startswith(_LOGS):
        return "it writes prompts, notes with them, to logs"
    for start, free in _FREE.items():
        if name.startswith(start) and name.removeprefix(start) not in free.split():
            return (
                "notemill sets it, or it changes answers and no row would say so; options that "
                "change answers go into the experiment's `options`"
            )
    return ""
