"""config.json to libcontainer's configuration and back: nothing is lost of what it can say."""

from hypothesis import HealthCheck, Phase, given, settings

from ocipy.formats import libcontainer
from ocipy.plan.mounts import parse_options
from ocipy.spec import Spec, validate
from ocipy.spec.origin import CHANGED
from tests.formats import strategies
from tests.formats.trips import back, written

# Without shrinking: of a document this large it takes minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
TRIPS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)


def normal(document):
    """A document in the one form of several that mean the same."""
    document = {**document, "mounts": [mount(entry) for entry in document.get("mounts", ())]}
    if seccomp := document["linux"].get("seccomp"):
        rules = [{**rule, "names": [name]} for rule in seccomp.get("syscalls", ()) for name in rule["names"]]
        document["linux"] = {**document["linux"], "seccomp": {**seccomp, "syscalls": rules}}
    if resources := document["linux"].get("resources"):
        every = [{"access": "rwm", **rule} for rule in resources.get("devices", ())]
        document["linux"] = {**document["linux"], "resources": {**resources, "devices": every}}
    return document


def mount(entry):
    """The order of options that have nothing to do with each other says nothing."""
    options = parse_options(entry.get("options", ()))
    return {**entry, "options": options}


@TRIPS
@given(strategies.documents())
def test_nothing_is_lost_there_and_back_and_there_again(document):
    files, notes = libcontainer.dump(Spec(document))
    assert {note.fate for note in notes} <= {CHANGED}
    again = back(libcontainer, files)
    assert normal(again.data) == normal(document)
    assert again.notes == ()
    assert written(libcontainer.dump(Spec(again.data))[0]) == written(files)
    # What comes back is valid, and knows where it comes from.
    assert validate(again.data, strict=True)[0] == []
    for pointer in ("/root/path", "/process/args", "/linux/namespaces/0/type"):
        assert again.place(pointer).startswith(("container.json:", "process.json: "))
