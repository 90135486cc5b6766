"""How things look as JSON: for each noun its shape and, beside it, the schema that promises that shape."""

from __future__ import annotations

from typing import Any

from tokiflow.api.parameters import id_pattern

Schema = dict[str, Any]


def obj(properties: dict[str, Schema], *, optional: tuple[str, ...] = (), description: str = "") -> Schema:
    """An object that has all of `properties`, but for the `optional` ones, and no others."""
    return {
        "type": "object",
        **({"description": description} if description else {}),
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def maybe(schema: Schema) -> Schema:
    """`schema`, or null."""
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def ref(name: str) -> Schema:
    """A schema of another name."""
    return {"$ref": f"#/components/schemas/{name}"}


def page_of(name: str) -> Schema:
    """A page of a list."""
    following = maybe({"type": "string", "format": "uri", "description": "Address of the next page; null on the last."})
    return obj({"items": {"type": "array", "items": ref(name)}, "next": following})


def text(description: str = "", **more: Any) -> Schema:
    """Text."""
    return {"type": "string", **({"description": description} if description else {}), **more}


def whole(description: str = "", **more: Any) -> Schema:
    """A whole number."""
    return {"type": "integer", **({"description": description} if description else {}), **more}


def number(description: str = "", **more: Any) -> Schema:
    """A number."""
    return {"type": "number", **({"description": description} if description else {}), **more}


def flag(description: str = "", **more: Any) -> Schema:
    """True or false."""
    return {"type": "boolean", **({"description": description} if description else {}), **more}


def moment(description: str = "") -> Schema:
    """A time."""
    return text(description, format="date-time")


def identifier(prefix: str) -> Schema:
    """An id."""
    return {"type": "string", "pattern": id_pattern(prefix)}


def word(words: list[str], description: str = "") -> Schema:
    """One of `words`."""
    return text(description, enum=words)
