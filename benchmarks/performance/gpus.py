"""Published figures of GPUs, and how long a language model of 8 billion parameters takes on them.

A roofline: prompts are read at half of the GPU's peak of dense BF16 arithmetic, answers are written
as fast as the weights and the caches of all that are written at once come from its memory. Real
servers stay below it (Ollama's sampling and grammar run on the CPU), so these are upper bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1 << 30


@dataclass(frozen=True)
class Gpu:
    """flops: dense BF16 a second; bandwidth: of its memory, bytes a second; memory: bytes."""

    name: str
    flops: float
    bandwidth: float
    memory: float
    source: str


GPUS = {
    gpu.name: gpu
    for gpu in (
        Gpu("L40S", 362e12, 0.864e12, 48e9, "NVIDIA L40S datasheet: 362 TFLOPS BF16, 864 GB/s"),
        Gpu(
            "A100",
            312e12,
            2.039e12,
            80e9,
            "NVIDIA A100 80GB SXM datasheet: 312 TFLOPS BF16, 2,039 GB/s",
        ),
        Gpu("H100", 989e12, 3.35e12, 80e9, "NVIDIA H100 SXM datasheet: 989 TFLOPS BF16, 3.35 TB/s"),
    )
}


@dataclass(frozen=True)
class Model:
    """parameters, weights (bytes as stored), cache: bytes of the key-value cache a token."""

    name: str = "Llama 3.1 8B, Q4_K_M"
    parameters: float = 8.03e9
    weights: float = 4.92e9
    cache: float = 2 * 32 * 8 * 128 * 2
    layers: int = 32
    width: int = 4096
    source: str = "Meta's model card and the GGUF file; 32 layers, 8 KV heads of 128, FP16 cache"


USE_OF_PEAK = 0.5
"""Share of the peak that reading prompts reaches: vLLM's and llama.cpp's best kernels do."""
CHUNK = 512
"""Prompt tokens that go beside one step of all answers (llama.cpp's and Ollama's n_batch)."""
CHARACTERS_A_TOKEN = 4
ANSWER_TOKENS = 60


@dataclass(frozen=True)
class Speed:
    """One GPU with one model."""

    gpu: Gpu
    model: Model = Model()

    def read_s(self, tokens: float, context: float) -> float:
        """Seconds to read so many prompt tokens that see a context of so many on average."""
        model = self.model
        flops = tokens * (2 * model.parameters + 4 * model.layers * model.width * context)
        return flops / (USE_OF_PEAK * self.gpu.flops)

    def step_s(self, answers: int, contexts: float) -> float:
        """Seconds for one more token of each answer; contexts: tokens that all have before it."""
        if not answers:
            return 0.0
        memory = (self.model.weights + contexts * self.model.cache) / self.gpu.bandwidth
        return max(memory, self.read_s(answers, contexts / answers))

    def most_slots(self, context: int) -> int:
        """Slots of so many tokens each that its memory holds, a tenth of it left free."""
        return int((0.9 * self.gpu.memory - self.model.weights) / (context * self.model.cache))
