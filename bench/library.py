"""Runs a container in this process each time a line comes in, and says how many seconds it took.

library.py TREE BUNDLE ROOT
"""

import sys
import time

sys.path.insert(0, sys.argv[1])

from ocipy import Runtime

runtime = Runtime(root=sys.argv[3])
for _ in sys.stdin:
    before = time.perf_counter()
    status = runtime.run(sys.argv[2], "library")
    seconds = time.perf_counter() - before
    if status:
        sys.exit(f"the container ended with {status}")
    print(seconds, flush=True)
