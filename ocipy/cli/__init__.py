"""The command line: one small file per verb, one table for all of their flags.

`table` is data; `parse` reads a command line by it; `help` prints it.  Each verb's module has
``main(flags, options, args) -> int``: the global flags, the verb's own, and what is left over.
"""
