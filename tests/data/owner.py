"""Owns a lab until its standard input closes: `python owner.py NAME FOLDER`; says the keeper's process id."""

import sys
from pathlib import Path

from clusters.lab.provider import Lab, start_keeper
from tests.labs import add_pods, small

name, folder = sys.argv[1], Path(sys.argv[2])
handle = start_keeper(name, folder)
lab = Lab(small(), name)
lab.build()
add_pods(lab)
print(handle.keeper.pid, flush=True)
sys.stdin.read()
handle.close()
