"""What the head of a model's weights says of it, for whoever has to report it."""

from __future__ import annotations

from pathlib import Path

from notemill.engines.gguf_metadata import gguf_metadata, is_gguf

_PLAIN = {
    "general.name": "name",
    "general.architecture": "architecture",
    "general.size_label": "size",
    "general.license": "license",
}
_FILE_TYPE = "general.file_type"
QUANTISATIONS = {
    **{0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K"},
    **{11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S"},
    **{17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS"},
    **{23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S"},
    **{29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0"},
    **{38: "MXFP4_MOE", 39: "NVFP4"},
}
"""llama.cpp's `llama_ftype`, by number."""


def weights_details(weights: Path) -> dict[str, str]:
    """`name`, `architecture`, `size`, `license`, `quantisation` and `context`, as far as known.

    Empty for a file that is no GGUF. Raises EngineRefused for a damaged one.
    """
    if not is_gguf(weights):
        return {}
    found = gguf_metadata(weights, {*_PLAIN, _FILE_TYPE})
    details = {
        name: found[key].decode(errors="replace")
        for key, name in _PLAIN.items()
        if isinstance(found.get(key), bytes)
    }
    if (kind := QUANTISATIONS.get(found.get(_FILE_TYPE, -1))) is not None:
        details["quantisation"] = kind
    if architecture := details.get("architecture"):
        key = f"{architecture}.context_length"
        if isinstance(tokens := gguf_metadata(weights, {key}).get(key), int):
            details["context"] = str(tokens)
    return details
