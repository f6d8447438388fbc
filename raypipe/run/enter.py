"""Enter an isolated environment on the node of a worker: `python -m raypipe.run.enter <environment> worker.py …`."""

import os
import sys

from raypipe.run import environments

if __name__ == "__main__":
    which, *worker = sys.argv[1:]
    os.execv(sys.executable, [*environments.command(environments.file_of(which), *environments.QUIET), *worker])
