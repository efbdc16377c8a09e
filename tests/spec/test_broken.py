"""Broken configs: each one says where and why, and nothing else.

A line of broken.jsonl changes a good example: "without" these pointers, then "with" these values ("-" at the
end of a pointer appends).  Expected is one problem, of this pointer and rule, with "message" in its message.
"""

import copy
import json
import pathlib
import re

import pytest

from ocipy import spec

CASES = [
    json.loads(line) for line in (pathlib.Path(__file__).parent / "broken.jsonl").read_text().splitlines()
]


def change(document, without=(), values=()):
    """A copy of ``document`` with some things gone and others in place."""
    document = copy.deepcopy(document)
    for pointer in without:
        holder, last = place(document, pointer)
        del holder[last]
    for pointer, value in dict(values).items():
        holder, last = place(document, pointer)
        if last == "-":
            holder.append(value)
        else:
            holder[last] = value
    return document


def place(document, pointer):
    """The object or array that ``pointer`` leads into, made where missing, and the key or index there."""
    *steps, last = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    for step in steps:
        document = document[int(step)] if isinstance(document, list) else document.setdefault(step, {})
    return document, int(last) if isinstance(document, list) and last != "-" else last


def found(document):
    return [(problem.pointer, problem.rule, problem.message) for problem in spec.validate(document)[0]]


@pytest.mark.parametrize("case", [pytest.param(c, id=f"{n + 1}-{c['rule']}") for n, c in enumerate(CASES)])
def test_what_is_broken_is_named_and_nothing_else(case, examples):
    problems = found(change(examples[case["of"]], case.get("without", ()), case.get("with", ())))
    assert [(pointer, rule) for pointer, rule, _ in problems] == [(case["pointer"], case["rule"])]
    assert case["message"] in problems[0][2]


def test_propagation_without_a_mount_namespace_would_change_the_host(examples):
    document = change(examples["default"], ["/linux/namespaces/4"], {"/linux/rootfsPropagation": "slave"})
    assert [(pointer, rule) for pointer, rule, _ in found(document)] == [
        ("/linux/rootfsPropagation", "no-mount-namespace"),
    ]


def test_a_mapping_has_as_many_ranges_as_the_kernel_takes(examples):
    ranges = [{"containerID": n, "hostID": n, "size": 1} for n in range(341)]
    document = change(examples["userns"], values={"/linux/uidMappings": ranges})
    message = "has 341 ranges, the kernel takes 340"
    assert found(document) == [("/linux/uidMappings", "mapping-count", message)]
    ranges.pop()
    assert found(change(examples["userns"], values={"/linux/uidMappings": ranges})) == []


def test_all_problems_come_at_once(examples):
    values = {"/process/cwd": "x", "/hostname": "y" * 65, "/linux/sysctl": {"kernel.panic": "0"}}
    rules = [rule for _, rule, _ in found(change(examples["default"], ["/root"], values))]
    assert rules == ["root-missing", "cwd-relative", "hostname-length", "sysctl-of-host"]


def test_all_violations_of_the_schema_come_at_once_in_the_order_of_their_places(examples):
    values = {"/process/cwd": 1, "/process/env/1": 2, "/hostname": 3, "/linux/namespaces/0/type": 4}
    pointers = [pointer for pointer, _, _ in found(change(examples["default"], values=values))]
    assert pointers == ["/hostname", "/linux/namespaces/0/type", "/process/cwd", "/process/env/1"]


def test_a_million_wrong_items_are_not_a_million_problems(examples):
    problems = found(change(examples["default"], values={"/process/args": [0] * 1_000_000}))
    assert len(problems) == 51
    assert problems[-1] == ("", "schema", "only the first 50 problems are shown")


def test_the_error_is_one_line_with_every_problem(examples):
    values = {"/process/cwd": "a\nb", "/linux/namespaces/0/path": "x"}
    with pytest.raises(spec.ConfigError) as caught:
        spec.require(change(examples["default"], values=values))
    assert str(caught.value) == (
        'config.json: /process/cwd: "a\\nb" is not an absolute path; '
        '/linux/namespaces/0/path: "x" is not an absolute path'
    )


def test_every_rule_has_a_case():
    sources = sorted(pathlib.Path(spec.__file__).parent.glob("check*.py"))
    rules = re.findall(r'found\.problem\(\s*f?"([^"]+)"', "".join(source.read_text() for source in sources))
    rules = {rule.replace("{kind}", name) for rule in rules for name in ("hostname", "domainname")}
    tested = {case["rule"] for case in CASES} | {"no-mount-namespace", "mapping-count"}
    assert rules == tested - {"schema"}
