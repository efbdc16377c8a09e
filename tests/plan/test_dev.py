"""/dev as steps."""

import pytest

from ocipy.errors import ConfigError
from ocipy.plan import dev, steps
from ocipy.plan.context import Context
from tests.plan.hosts import HOST_V2, NESTED, OPTIONS, ROOTLESS


def planned(mounts=(), devices=(), namespaces=("mount",), facts=HOST_V2, process=None):
    config = {"mounts": list(mounts), "linux": {"devices": list(devices)}}
    config["linux"]["namespaces"] = [{"type": kind} for kind in namespaces]
    if process:
        config["process"] = process
    return dev.dev_steps(config, Context(config, OPTIONS, facts))


def paths(made, kind):
    return [getattr(step, "path", None) or step.target for step in made if isinstance(step, kind)]


def device(path="/dev/x", kind="c", **more):
    return {"path": path, "type": kind, "major": 10, "minor": 20, **more}


def test_every_container_has_the_default_devices_and_links():
    made = planned()
    assert paths(made, steps.MakeDevice) == list(dev.DEFAULT_DEVICES)
    assert paths(made, steps.MakeSymlink) == [*dev.LINKS, "/dev/core", "/dev/ptmx"]


def test_core_is_linked_only_where_the_kernel_shows_it():
    assert "/dev/core" not in paths(planned(facts=HOST_V2.replace(kcore=False)), steps.MakeSymlink)


def test_who_binds_a_dev_gets_it_as_it_is():
    for destination in ("/dev", "/dev/", "dev", "//dev/."):
        mount = {"destination": destination, "type": "bind", "source": "/dev", "options": ["rbind"]}
        assert planned(mounts=[mount], devices=[device()]) == []


def test_a_listed_device_takes_the_place_of_a_default_one():
    made = planned(devices=[device("/dev//null", fileMode=0o600, uid=5, gid=6)])
    (listed,) = [step for step in made if step.pointer == "/linux/devices/0"]
    assert listed == steps.MakeDevice(
        "/dev//null", "c", 10, 20, 0o600, uid=5, gid=6, pointer="/linux/devices/0"
    )
    assert "/dev/null" not in paths(made, steps.MakeDevice)


def test_the_file_type_in_a_mode_is_ignored():
    """podman writes st_mode whole."""
    made = planned(devices=[device(fileMode=0o20660)])
    assert next(step for step in made if step.pointer).mode == 0o660


def test_ptmx_is_always_that_of_the_containers_devpts():
    made = planned(devices=[device("/dev/ptmx")])
    assert paths(made, steps.MakeDevice) == list(dev.DEFAULT_DEVICES)
    assert steps.MakeSymlink("/dev/ptmx", "pts/ptmx", over=True) in made


def test_a_mount_at_ptmx_stays():
    mount = {"destination": "/dev/ptmx", "source": "/dev/ptmx", "options": ["bind"]}
    assert "/dev/ptmx" not in paths(planned(mounts=[mount]), steps.MakeSymlink)


def test_a_terminal_needs_a_place_for_the_console():
    made = planned(process={"terminal": True})
    assert steps.MakeFile("/dev/console", pointer="/process/terminal") in made
    assert not paths(planned(), steps.MakeFile)


@pytest.mark.parametrize(
    ("namespaces", "facts"),
    [(("mount", "user"), HOST_V2), (("mount",), NESTED), (("mount", "user"), ROOTLESS)],
)
def test_in_a_user_namespace_devices_are_the_hosts_and_verified(namespaces, facts):
    made = planned(devices=[device(), {"path": "/dev/fifo", "type": "p"}], namespaces=namespaces, facts=facts)
    bound = {step.target: step.device for step in made if isinstance(step, steps.Bind)}
    assert bound == {path: ("c", *numbers) for path, numbers in dev.DEFAULT_DEVICES.items()} | {
        "/dev/x": ("c", 10, 20)
    }
    assert all(step.nofollow for step in made if isinstance(step, steps.Bind))
    assert paths(made, steps.MakeDevice) == ["/dev/fifo"]


def test_unbuffered_is_another_name_of_a_character_device():
    made = planned(devices=[device(kind="u")])
    assert next(step for step in made if step.pointer).kind == "c"


def test_a_device_needs_its_numbers():
    with pytest.raises(ConfigError) as caught:
        planned(devices=[{"path": "/dev/x", "type": "b"}])
    assert [problem.pointer for problem in caught.value.problems] == ["/linux/devices/0"]
