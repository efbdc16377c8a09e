"""Which properties a schema has, and which of them a document has."""


def properties(schema, pointer=""):
    """Pointers of every property that a schema has, "*" for an item."""
    for key, inner in schema.get("properties", {}).items():
        yield f"{pointer}/{key}"
        yield from properties(inner, f"{pointer}/{key}")
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from properties(schema[keyword], f"{pointer}/*")


def used(schema, value, pointer=""):
    """Those of them that a document has."""
    if isinstance(value, list):
        for item in value:
            yield from used(schema["items"], item, f"{pointer}/*")
    elif isinstance(value, dict):
        for key, item in value.items():
            step = key if "properties" in schema else "*"
            inner = schema.get("properties", {}).get(key) or schema["additionalProperties"]
            yield f"{pointer}/{step}"
            yield from used(inner, item, f"{pointer}/{step}")
