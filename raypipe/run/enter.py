"""Enter an isolated environment on the node of a worker: `python -m raypipe.run.enter explain worker.py …`."""

import os
import sys

from raypipe.run import environments

if __name__ == "__main__":
    name, *worker = sys.argv[1:]
    file = environments.lock(name) if name in environments.ISOLATED else name
    os.execv(sys.executable, [*environments.command(file, *environments.QUIET), *worker])
