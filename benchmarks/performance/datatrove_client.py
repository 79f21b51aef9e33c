"""The same requests by datatrove's InferenceRunner; prints texts a second. Knows no notemill.

    PYTHON_WITH_DATATROVE datatrove_client.py REQUESTS.jsonl PORT SLOTS

PYTHON_WITH_DATATROVE: of an environment of its own (pip install datatrove), named to the benchmark
by NOTEMILL_BENCH_DATATROVE.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
from datatrove.pipeline.writers import JsonlWriter


def main() -> None:
    file, port, slots = sys.argv[1:]
    requests = [json.loads(line) for line in Path(file).read_text().splitlines()]

    async def rollout(document: Any, generate: Any) -> Any:
        return await generate(document.metadata["request"])

    config = InferenceConfig(
        server_type="endpoint",
        model_name_or_path="model:latest",
        endpoint_url=f"http://127.0.0.1:{port}",
        max_concurrent_generations=int(slots),
        metric_interval=3600,
    )
    runner = InferenceRunner(
        rollout_fn=rollout, config=config, output_writer=JsonlWriter("out", compression=None)
    )
    documents = (
        Document(text="", id=str(number), metadata={"request": request})
        for number, request in enumerate(requests)
    )
    began = time.monotonic()
    for _ in runner.run(documents, rank=0, world_size=1) or ():
        pass
    took = time.monotonic() - began
    written = sum(len(path.read_text().splitlines()) for path in Path("out").glob("*.jsonl"))
    if written != len(requests):
        sys.exit(f"{written} of {len(requests)} were written")
    print(len(requests) / took)


if __name__ == "__main__":
    main()
