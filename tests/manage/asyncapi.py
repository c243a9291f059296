"""The AsyncAPI document as a judge of messages."""

import functools
import json
from pathlib import Path
from typing import Any

import jsonschema
import yaml

DOCUMENT = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"


@functools.cache
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    return loaded


@functools.cache
def _judge(schema: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**document(), "$ref": f"#/components/schemas/{schema}"})


def check(payload: bytes | str, schema: str) -> None:
    """Raises jsonschema.ValidationError unless `payload` is what the document calls `schema`."""
    _judge(schema).validate(json.loads(payload))
