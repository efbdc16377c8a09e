"""Builds what is not Python: the init, the system call extension, validators, the manual.

The description of the package is setup.cfg.  The same commands serve `pip install .`, a wheel and the
in-place build of `make build`: each knows how to make its output below a directory, which is build_lib for
the former and the source tree for the latter.
"""

import os
import shutil
import subprocess
import sys

from setuptools import Command, Extension, find_packages, setup
from setuptools.command.build import build

HERE = os.path.dirname(os.path.abspath(__file__))


class BuildInto(Command):
    """A step of `build` whose output is files below the package directory."""

    user_options = [
        ("inplace", "i", "make the output beside the sources"),
        ("build-lib=", "d", "output directory"),
    ]
    boolean_options = ["inplace"]
    outputs: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def initialize_options(self):
        self.inplace = False
        self.editable_mode = False
        self.build_lib = None

    def finalize_options(self):
        self.set_undefined_options("build", ("build_lib", "build_lib"))

    @property
    def top(self):
        return HERE if self.inplace or self.editable_mode else self.build_lib

    def place(self, relative):
        path = os.path.join(self.top, relative)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def get_outputs(self):
        return [os.path.join(self.build_lib, output) for output in self.outputs]

    def get_output_mapping(self):
        return {}

    def get_source_files(self):
        return []


class BuildInit(BuildInto):
    description = "compile ocipy-init, the static program that becomes a container's first process"
    outputs = ("ocipy/_bin/ocipy-init",)

    def run(self):
        subprocess.run(["make", "-s", "-C", os.path.join(HERE, "init"), "ocipy-init"], check=True)
        # A new file, never a rewritten one: a container may be starting from the old one.
        target = self.place(self.outputs[0])
        shutil.copyfile(os.path.join(HERE, "init", "ocipy-init"), target + ".new")
        os.chmod(target + ".new", 0o755)
        os.replace(target + ".new", target)


class BuildSpec(BuildInto):
    description = "compile the JSON Schemas of spec/ to Python"
    outputs = ("ocipy/spec/_generated.py",)

    def run(self):
        compiler = os.path.join(HERE, "ocipy", "spec", "schema_compiler.py")
        target = self.place(self.outputs[0])
        subprocess.run([sys.executable, compiler, os.path.join(HERE, "spec"), target + ".new"], check=True)
        os.replace(target + ".new", target)


class BuildManual(BuildInto):
    description = "write the manual pages and the shells' completions, which a wheel installs below share"

    def run(self):
        if self.editable_mode:
            return
        share = os.path.join("build", "share")
        shutil.rmtree(share, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "tools.manual", share], check=True)
        # install_data, which puts them in the wheel, takes names from the directory that setup.py is in.
        self.distribution.data_files = [
            (os.path.relpath(directory, "build"), [os.path.join(directory, file) for file in sorted(files)])
            for directory, _, files in os.walk(share)
        ]


build.sub_commands += [("build_init", None), ("build_spec", None), ("build_manual", None)]

setup(
    packages=[*find_packages(include=["ocipy", "ocipy.*"]), "ocipy_network"],
    package_dir={"ocipy_network": "hooks/ocipy_network"},
    cmdclass={"build_init": BuildInit, "build_spec": BuildSpec, "build_manual": BuildManual},
    ext_modules=[
        Extension(
            "ocipy.linux._syscall",
            ["ocipy/linux/_syscall.c"],
            py_limited_api=True,
            define_macros=[("Py_LIMITED_API", "0x030b0000")],
            extra_compile_args=["-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers"],
        )
    ],
)
