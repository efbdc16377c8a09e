"""Compile the JSON Schemas of ``spec/`` into plain Python that says yes or no.

    python3 ocipy/spec/schema_compiler.py spec ocipy/spec/_generated.py

Runs at build time, needs nothing but the standard library and knows only the keywords that our schemas use:
a schema with any other one does not build.  What it writes is for the verbs that validate on every create:

* one function for each document of ``HOT``, and one for each object below it; the same object in two places
  is one function;
* what no Linux config.json has (``COLD``) is left to `ocipy.spec.report`, which walks the schema itself:
  compiled, it would be a third of a module that is loaded on every create;
* a function is one expression.  A property's absence is tested by giving ``dict.get`` a default that is
  valid, so that most properties cost one call and one comparison;
* no regular expressions: importing ``re`` costs more than all of the validation.  The patterns of a simple
  form (literals and classes, of which one may repeat) become slices and ``str.strip``;
* ``SCHEMAS``, the schemas themselves as one JSON text, from which `ocipy.spec.report` says what is wrong
  when a function has said no.

The numbers are those of draft 4, as the standard's own schemas have them: 1.0 is not an integer.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

Schema = dict[str, Any]

#: Say nothing about what is valid.
COMMENTS = ("$schema", "title", "description", "definitions")
KEYWORDS = (
    "$ref",
    "additionalProperties",
    "enum",
    "items",
    "maximum",
    "minItems",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
)

#: Documents to compile, and libraries that are not compiled.
HOT = ("config", "process")
COLD = ("platforms",)

HEADER = '''\
"""Made by schema_compiler.py from the schemas in spec/; do not edit.

Each function tells whether a value that `jsontext.parse` made is valid.
"""
# mypy: ignore-errors

S = {str}


def cold(name, value):
    from ocipy.spec import report

    return report.is_valid(name, value)
'''


class Unsupported(Exception):
    """A schema says what this compiler can't translate."""


def load(directory: str) -> dict[str, Schema]:
    """The schemas of a directory, by file name."""
    schemas = {}
    for name in sorted(os.listdir(directory)):
        if name.endswith(".schema.json"):
            with open(os.path.join(directory, name), encoding="utf-8") as file:
                schemas[name] = json.load(file)
    return schemas


def resolve(schemas: dict[str, Schema], file: str, schema: Schema) -> tuple[str, Schema, str]:
    """Follow ``$ref``: the file and the schema it ends at, and its name there ("" without $ref)."""
    name = ""
    while "$ref" in schema:
        target, _, pointer = schema["$ref"].partition("#")
        file = target or file
        schema = schemas[file]
        name = file.removesuffix(".schema.json")
        for step in pointer.strip("/").split("/") if pointer else ():
            schema = schema[step]
            name = step
    return file, schema, name


class Compiler:
    """Turns schemas into functions, which come out in the order in which they are needed."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        self.schemas = schemas
        self.functions: dict[str, str] = {}  # body -> name
        self.bodies: dict[str, str] = {}  # name -> body

    def document(self, name: str) -> None:
        """Make the function ``name`` of the schema ``name``.schema.json."""
        file = f"{name}.schema.json"
        made = self.function(file, self.schemas[file], name)
        if made != name:
            self.bodies[name] = f"    return {made}(v)\n"

    def source(self) -> str:
        """The module's text."""
        parts = [HEADER]
        for name, body in self.bodies.items():
            typed = "(v: object) -> bool" if name in HOT else "(v)"
            parts.append(f"\n\ndef {name}{typed}:\n{body}")
        text = json.dumps(self.schemas, separators=(",", ":"), ensure_ascii=False)
        parts.append(f"\n\nSCHEMAS = {text!r}\n")
        return "".join(parts)

    def function(self, file: str, schema: Schema, name: str) -> str:
        """Name of the function for ``schema``, which is made if there is none with the same body."""
        file, schema, found = resolve(self.schemas, file, schema)
        name = found or name
        body = f"    return {self.test(file, schema, 'v', name)}\n"
        if "properties" in schema:
            get = "    g = v.get\n" if "(g(" in body or " g(" in body else ""
            body = "    if type(v) is not dict:\n        return False\n" + get + body
        if body not in self.functions:
            while name in self.bodies:
                name += "_"
            self.functions[body] = name
            self.bodies[name] = body
        return self.functions[body]

    def test(self, file: str, schema: Schema, value: str, name: str) -> str:
        """An expression, true if the expression ``value`` is valid; ``name`` is what a function is called."""
        rare = cold(schema)
        file, schema, found = resolve(self.schemas, file, schema)
        name = found or name
        unknown = set(schema) - set(KEYWORDS) - set(COMMENTS)
        if unknown:
            raise Unsupported(f"{file}: {name}: {', '.join(sorted(unknown))}")
        if rare:
            return f"cold({quoted(rare)}, {value})"
        if "enum" in schema:
            return one_of(schema["enum"], value)
        kind = schema["type"]
        if kind == "object":
            return self.object(file, schema, value, name)
        if kind == "array":
            return self.array(file, schema, value, name)
        if kind == "string" and "pattern" in schema:
            return f"type(x := {value}) is str and {matches(schema['pattern'], 'x')}"
        if kind == "integer":
            return integer(schema, value)
        return {"string": f"type({value}) is str", "boolean": f"type({value}) is bool"}[kind]

    def array(self, file: str, schema: Schema, value: str, name: str) -> str:
        items = schema["items"]
        least = schema.get("minItems", 0)
        parts = [f"type(x := {value}) is list"]
        if least:
            parts.append(f"len(x) >= {least}")
        if self.is_string(file, items):
            parts.append("{*map(type, x)} <= S")
        else:
            parts.append(f"all(map({self.function(file, items, singular(name))}, x))")
        return " and ".join(parts)

    def object(self, file: str, schema: Schema, value: str, name: str) -> str:
        if "additionalProperties" in schema:
            extra = schema["additionalProperties"]
            if "properties" in schema or "required" in schema:
                raise Unsupported(f"{file}: {name}: both properties and additionalProperties")
            if self.is_string(file, extra):
                return f"type(x := {value}) is dict and {{*map(type, x.values())}} <= S"
            item = self.function(file, extra, singular(name))
            return f"type(x := {value}) is dict and all(map({item}, x.values()))"
        if "properties" not in schema:
            return f"type({value}) is dict"
        if value != "v":
            return f"{self.function(file, schema, name)}({value})"
        required = schema.get("required", ())
        # The required ones first: they are the most likely to be wrong.
        keys = sorted(schema["properties"], key=lambda key: key not in required)
        parts = [self.property(file, schema["properties"][key], key, key in required, name) for key in keys]
        return "(\n        " + "\n        and ".join(parts) + "\n    )"

    def property(self, file: str, schema: Schema, key: str, required: bool, name: str) -> str:
        target = resolve(self.schemas, file, schema)[1]
        default = "" if required else self.default(target)
        if required or default:
            got = f'g("{key}", {default})' if default else f'g("{key}")'
            return self.test(file, schema, got, f"{name}_{key}")
        got = f'v["{key}"]'
        return f'("{key}" not in v or {self.test(file, schema, got, f"{name}_{key}")})'

    def default(self, schema: Schema) -> str:
        """A valid value that is cheap to load, or "" if there is none: then its presence is tested."""
        if "enum" in schema:
            return quoted(schema["enum"][0])
        if schema["type"] == "integer":
            return str(max(0, schema.get("minimum", 0)))
        if schema["type"] == "string" and "pattern" not in schema:
            return '""'
        return "True" if schema["type"] == "boolean" else ""

    def is_string(self, file: str, schema: Schema) -> bool:
        schema = resolve(self.schemas, file, schema)[1]
        return set(schema) - set(COMMENTS) == {"type"} and schema["type"] == "string"


def cold(schema: Schema) -> str:
    """If ``schema`` refers into a library that is not compiled, what `ocipy.spec.report` calls it."""
    file, _, pointer = schema.get("$ref", "").partition("#")
    name: str = file.removesuffix(".schema.json")
    return f"{name}#{pointer}" if name in COLD else ""


def quoted(text: str) -> str:
    return json.dumps(text)


def singular(name: str) -> str:
    """The name of one of several: hooks have a hook."""
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    return name[:-1] if name.endswith("s") else f"{name}_item"


def one_of(values: list[str], value: str) -> str:
    # A list is not hashable, so it must not come as far as the set.
    known = ", ".join(map(quoted, values))
    return f"type(x := {value}) is str and x in {{{known}}}"


def integer(schema: Schema, value: str) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and high is None:
        return f"type({value}) is int"
    bounds = f"{low} <= x" if high is None else f"{low} <= x <= {high}" if low is not None else f"x <= {high}"
    return f"type(x := {value}) is int and {bounds}"


def matches(pattern: str, value: str) -> str:
    """An expression that is true if the string ``value`` matches ``pattern`` as ECMA 262 defines it.

    ^ITEM...$, where an item is a character, an escaped one or a class, and one of them may have * or +.
    """
    before, repeated, after = _items(pattern)
    fixed = len(before) + len(after)
    least = fixed + (repeated is not None and repeated[1])
    parts = [f"len({value}) {'>=' if repeated else '=='} {least}"] if least or not repeated else []
    literal = "".join(chars for negated, chars in before if not negated and len(chars) == 1)
    if len(literal) == len(before) > 1:
        parts.append(f"{value}[:{len(before)}] == {quoted(literal)}")
    else:
        parts += [_one(f"{value}[{at}]", item) for at, item in enumerate(before)]
    parts += [_one(f"{value}[{at - len(after)}]", item) for at, item in enumerate(after)]
    if repeated:
        middle = f"{value}[{len(before)}:{-len(after) or ''}]" if fixed else value
        negated, chars = repeated[0]
        if negated and len(chars) != 1:
            raise Unsupported(f"pattern {pattern}")
        chars = quoted(chars)
        parts.append(f"{chars} not in {middle}" if negated else f"not {middle}.strip({chars})")
    return " and ".join(parts)


Item = tuple[bool, str]  # negated, characters


def _one(char: str, item: Item) -> str:
    negated, chars = item
    if len(chars) == 1:
        return f"{char} {'!=' if negated else '=='} {quoted(chars)}"
    return f"{char} {'not in' if negated else 'in'} {quoted(chars)}"


def _items(pattern: str) -> tuple[list[Item], tuple[Item, bool] | None, list[Item]]:
    """The items of a pattern before, in and after its repetition."""
    if pattern[:1] != "^" or pattern[-1:] != "$":
        raise Unsupported(f"pattern {pattern} is not anchored")
    before: list[Item] = []
    after: list[Item] = []
    repeated = None
    at, end = 1, len(pattern) - 1
    while at < end:
        item, at = _item(pattern, at)
        if pattern[at] in "*+":
            if repeated:
                raise Unsupported(f"pattern {pattern} repeats twice")
            repeated = (item, pattern[at] == "+")
            at += 1
        else:
            (after if repeated else before).append(item)
    return before, repeated, after


def _item(pattern: str, at: int) -> tuple[Item, int]:
    escapes = {"\\n": "\n", "\\t": "\t"}
    if pattern[at] == "\\":
        return (False, escapes.get(pattern[at : at + 2], pattern[at + 1])), at + 2
    if pattern[at] != "[":
        if pattern[at] in ".(){}|?^$*+":
            raise Unsupported(f"pattern {pattern}: {pattern[at]}")
        return (False, pattern[at]), at + 1
    end = pattern.index("]", at)
    inside = pattern[at + 1 : end]
    negated = inside.startswith("^")
    inside = inside[negated:]
    chars = ""
    at = 0
    while at < len(inside):
        if inside[at] == "\\":
            chars += escapes.get(inside[at : at + 2], inside[at + 1])
            at += 2
        elif inside[at + 1 : at + 2] == "-" and at + 2 < len(inside):
            chars += "".join(map(chr, range(ord(inside[at]), ord(inside[at + 2]) + 1)))
            at += 3
        else:
            chars += inside[at]
            at += 1
    return (negated, chars), end + 1


def compile_directory(directory: str) -> str:
    """The module's text for the schemas in ``directory``."""
    compiler = Compiler(load(directory))
    for name in HOT:
        compiler.document(name)
    return compiler.source()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} SCHEMA-DIRECTORY OUTPUT.py")
    with open(sys.argv[2], "w", encoding="utf-8") as output:
        output.write(compile_directory(sys.argv[1]))
