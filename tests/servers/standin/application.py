"""What the routes answer with, but for the chat itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import store
from .chat import Chat, Refused
from .faults import Faults
from .ledger import Ledger
from .log import now
from .runner import Scheduler
from .settings import Settings

_FOR_EVER = "2319-01-01T00:00:00Z"
_BYTES_A_CONTEXT_TOKEN = 1024


class Application:
    """What the routes answer with."""

    def __init__(self, settings: Settings, faults: Faults, scheduler: Scheduler) -> None:
        self.settings = settings
        self.scheduler = scheduler
        self.chat = Chat(settings, faults, scheduler)
        self.ledger = Ledger(settings.ledger, settings.slots)
        self._faults = faults

    def version(self) -> dict[str, Any]:
        return {"version": self.settings.version}

    def tags(self) -> dict[str, Any]:
        """Every model of the store."""
        return {"models": [self._model(each) for each in store.models(self.settings.models)]}

    def running(self) -> dict[str, Any]:
        """/api/ps: the loaded model."""
        loaded = self.scheduler.loaded
        if loaded is None:
            return {"models": []}
        size = loaded.model.size + loaded.context * self.settings.slots * _BYTES_A_CONTEXT_TOKEN
        share = self._faults.of_server("size_vram", float(self.settings.gpu))
        if self._faults.of_server("gpu_lost") and self.scheduler.loads > 1:
            share = 0.0
        return {
            "models": [
                self._model(loaded.model)
                | {
                    "size": size,
                    "expires_at": _FOR_EVER,
                    "size_vram": int(size * share),
                    "context_length": self._faults.of_server("context_length", loaded.context),
                }
            ]
        }

    def show(self, body: dict[str, Any]) -> dict[str, Any]:
        """/api/show; it tells no digest."""
        try:
            model = self.chat.model(body)
        except Refused as error:
            if error.status != 404:
                raise
            raise Refused(404, f"model '{body['model']}' not found") from None
        return {
            "modelfile": f"FROM {model.name}\n",
            "parameters": 'stop                           "<|im_end|>"',
            "template": "{{ .Prompt }}",
            "details": _DETAILS,
            "model_info": {
                "general.architecture": "llama",
                "llama.context_length": model.context_length,
            },
            "capabilities": ["completion"],
            "modified_at": now(),
        }

    def generate(self, body: dict[str, Any]) -> dict[str, Any]:
        """/api/generate without a prompt: load or unload."""
        reason = self.chat.preload(body, self.chat.model(body))
        if body.get("prompt"):
            raise Refused(500, "the stand-in generates nothing; use /api/chat")
        return {
            "model": body["model"],
            "created_at": now(),
            "response": "",
            "done": True,
            "done_reason": reason,
        }

    def pull(self, body: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """Status lines; an error is one of them."""
        name = body.get("model") or body.get("name")
        if not name:
            raise Refused(400, "model is required")
        yield {"status": "pulling manifest"}
        error = self._faults.of_server("pull_error")
        if error is not None:
            yield {"error": str(error)}
            return
        digest = store.make_model(self.settings.models, name)
        for completed in (0, 100):
            yield {
                "status": f"pulling {digest[:12]}",
                "digest": f"sha256:{digest}",
                "total": 100,
                "completed": completed,
            }
        for status in ("verifying sha256 digest", "writing manifest", "success"):
            yield {"status": status}

    def _model(self, model: store.Model) -> dict[str, Any]:
        wrong = self._faults.of_server("wrong_digest")
        return {
            "name": model.name,
            "model": model.name,
            "modified_at": now(),
            "size": model.size,
            "digest": model.digest if wrong is None else "0" * 64 if wrong is True else wrong,
            "details": _DETAILS,
        }


_DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "llama",
    "families": ["llama"],
    "parameter_size": "1K",
    "quantization_level": "F32",
}
