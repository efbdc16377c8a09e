"""Measures any OCI runtime from outside: the official validation suite, and ocipy's own comparisons.

Nothing here imports ocipy: a runtime is a command that takes ``--root DIR VERB ...``.
"""
