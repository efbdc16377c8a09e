"""Runs a container in this process each time a line comes in, and says how long it took.

The answer is two numbers: seconds by the clock, and of a processor, its children's included.

library.py TREE BUNDLE ROOT
"""

import sys
import time
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

sys.path.insert(0, sys.argv[1])

from ocipy import Runtime


def processor():
    """Seconds of a processor that this process and its children have had."""
    return sum(u.ru_utime + u.ru_stime for u in map(getrusage, (RUSAGE_SELF, RUSAGE_CHILDREN)))


runtime = Runtime(root=sys.argv[3])
for _ in sys.stdin:
    before, used = time.perf_counter(), processor()
    status = runtime.run(sys.argv[2], "library")
    seconds, used = time.perf_counter() - before, processor() - used
    if status:
        sys.exit(f"the container ended with {status}")
    print(seconds, used, flush=True)
