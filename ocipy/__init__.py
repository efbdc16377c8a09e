"""ocipy: containers by the OCI runtime specification, from Python.

    import ocipy

    runtime = ocipy.Runtime()
    status = runtime.run("bundle/", "job")            # create, start, wait, delete

    with runtime.create("bundle/", "web") as container:
        container.start()
        container.exec(["date"])                      # prints to our own standard output
        container.output(["date"]).stdout             # bytes
        container.wait(timeout=60)                    # its exit status
    # and deleted

docs/python.md says more.  Names are loaded when they are first used: importing the package costs nothing.
"""

__version__ = "0.1.0"

#: The version of runtime-spec that this one implements.
SPEC_VERSION = "1.3.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.errors import ConfigError, ContainerError, OcipyError, Problem, StepError, TimedOut, UsageError
    from ocipy.runtime import Container, Runtime
    from ocipy.runtime.capture import Output

#: name -> module
_EXPORTED = {
    **dict.fromkeys(("Container", "Runtime"), "ocipy.runtime"),
    "Output": "ocipy.runtime.capture",
}

__all__ = [
    "ConfigError",
    "Container",
    "ContainerError",
    "OcipyError",
    "Output",
    "Problem",
    "Runtime",
    "StepError",
    "TimedOut",
    "UsageError",
]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module 'ocipy' has no attribute {name!r}")
    module = _EXPORTED.get(name, "ocipy.errors")
    value = getattr(__import__(module, fromlist=(name,)), name)
    globals()[name] = value
    return value
