"""Plans obey the laws of their order, whatever the config."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocipy.errors import ConfigError
from ocipy.plan import order, steps
from ocipy.plan.compile import compile
from ocipy.plan.execprocess import compile_exec, entry_steps
from tests.plan.hosts import EXAMPLES, HOST_V1, HOST_V2, HOSTS, OPTIONS, ROOTLESS


def all_steps(plan):
    return (*plan.create, *plan.start)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_planned_in_a_lawful_order(name, host):
    try:
        plan = compile(EXAMPLES[name], OPTIONS, HOSTS[host])
    except ConfigError:
        return  # no such controller, or no such power: test_golden.py has what it says
    assert order.violations(all_steps(plan), HOSTS[host]) == []


@st.composite
def mixtures(draw):
    """Configs no example has: one example's, with sections and properties of others in it."""
    config = copy.deepcopy(draw(st.sampled_from(list(EXAMPLES.values()))))
    for section in ("", "process", "linux", "hooks", "root"):
        place = config.setdefault(section, {}) if section else config
        for _ in range(draw(st.integers(0, 3))):
            donor = draw(st.sampled_from(list(EXAMPLES.values())))
            donor = donor.get(section) or {} if section else donor
            if donor:
                name = draw(st.sampled_from(sorted(donor)))
                place[name] = copy.deepcopy(donor[name])
    if not config.get("hooks"):
        config.pop("hooks", None)
    config["linux"].pop("intelRdt", None)
    return config


@settings(max_examples=400)
@given(
    config=mixtures(),
    host=st.sampled_from(sorted(HOSTS)),
    no_pivot=st.booleans(),
    notify=st.sampled_from(["", "/run/notify"]),
    systemd=st.booleans(),
)
def test_mixtures_of_examples_are_planned_in_a_lawful_order(config, host, no_pivot, notify, systemd):
    if systemd:
        config["linux"]["cgroupsPath"] = "shop.slice:ocipy:web"
    options = OPTIONS.replace(no_pivot=no_pivot, notify_socket=notify, systemd=systemd)
    try:
        plan = compile(config, options, HOSTS[host])
    except ConfigError:
        return
    assert order.violations(all_steps(plan), HOSTS[host]) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_one_more_process_is_planned_in_a_lawful_order(name):
    config = EXAMPLES[name]
    if not config.get("process"):
        return
    namespaces = (config.get("linux") or {}).get("namespaces") or ()
    entry = entry_steps(tuple(namespace["type"] for namespace in namespaces))
    try:
        plan = compile_exec(config, config["process"], OPTIONS, HOST_V1, entry)
    except ConfigError:
        return
    assert order.violations(all_steps(plan), HOST_V1) == []


def test_every_law_is_put_to_work():
    """A law about a step that no plan ever has would hold for nothing."""
    seen = {"rootless", "cgroup v2"}
    everything = copy.deepcopy(EXAMPLES["everything"])
    del everything["linux"]["intelRdt"], everything["linux"]["seccomp"]
    for facts in HOSTS.values():
        for config in (*EXAMPLES.values(), everything):
            for options in (OPTIONS, OPTIONS.replace(no_pivot=True), OPTIONS.replace(systemd=True)):
                try:
                    plan = compile(config, options, facts)
                except ConfigError:
                    continue
                seen |= {name for step in all_steps(plan) for name in order.names(step)}
    for name, config in EXAMPLES.items():
        if config.get("process") and name != "everything":
            plan = compile_exec(config, config["process"], OPTIONS, HOST_V1, entry_steps(("pid",)))
            seen |= {name for step in all_steps(plan) for name in order.names(step)}
    for law in order.LAWS:
        assert seen & set(law.first), law
        assert seen & set(law.then), law
        assert not law.given or law.given in seen, law


def test_a_law_says_why_and_who_says_so():
    for law in order.LAWS:
        assert law.reason, law
        assert law.source, law


def test_steps_of_a_plan_that_change_places_are_noticed():
    """Of any two steps that a law speaks of, the wrong order is a violation that names both."""
    plan = list(all_steps(compile(EXAMPLES["default"], OPTIONS, HOST_V2)))
    mask = next(i for i, step in enumerate(plan) if isinstance(step, steps.Mask))
    mount = next(i for i, step in enumerate(plan) if isinstance(step, steps.MountFs))
    plan[mask], plan[mount] = plan[mount], plan[mask]
    broken = order.violations(plan, HOST_V2)
    assert any(str(plan[mask]) in line and "a mask must lie on top" in line for line in broken)


def test_what_there_may_be_one_of_is_counted():
    clone = steps.Clone(("pid",))
    assert order.violations([clone, clone]) == ["Clone is there 2 times"]


@pytest.mark.parametrize(
    ("facts", "lawful"),
    [(HOST_V1, "user namespace last"), (ROOTLESS, "user namespace first")],
)
def test_who_has_power_over_the_host_enters_the_user_namespace_last(facts, lawful):
    config = copy.deepcopy(EXAMPLES["userns-joined"])
    config["mounts"] = []
    plan = compile(config, OPTIONS, facts)
    joins = [step.type for step in plan.create if isinstance(step, steps.JoinNamespace)]
    assert joins[-1 if lawful.endswith("last") else 0] == "user"
    other = HOST_V1 if facts is ROOTLESS else ROOTLESS
    assert order.violations(plan.create, other)
