"""Writes the configuration's JSON schema, from the models that check it.

python -m notemill.config.schema > config/config.schema.json
"""

from __future__ import annotations

import json

from notemill.config import Config


def schema_text() -> str:
    """The JSON schema that editors complete and check config/config.yaml by."""
    schema = Config.model_json_schema() | {
        "$schema": "https://json-schema.org/draft/2020-12/schema"
    }
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    print(schema_text(), end="")
