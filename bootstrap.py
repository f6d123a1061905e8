"""Make ``.venv`` below the checkout, exactly as requirements.lock says; a second call returns at once.

Needs an interpreter from 3.11 to 3.14 and either uv on the PATH or the interpreter's own venv and ensurepip.
Writes below the checkout and into the cache of pip or uv, nowhere else. Kept to the syntax of old interpreters,
so that they get as far as the sentence that refuses them.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, "ringproof.stamp")
LOG = os.path.join(VENV, "setup.log")
LOCK = os.path.join(ROOT, "requirements.lock")
OLDEST, NEWEST = (3, 11), (3, 14)  # requires-python of pyproject.toml; a test compares them


def refusal(version: "tuple[int, int]", uv: "str | None", ensurepip: bool) -> "str | None":
    """Return why this interpreter cannot carry the project, or None when it can."""
    if not OLDEST <= version <= NEWEST:
        needed = "ringproof needs 3.{} to 3.{}: name another one, as in `make PYTHON=python3.12`".format(
            OLDEST[1], NEWEST[1]
        )
        return "{} is Python {}.{}, {}".format(sys.executable, *version, needed)
    if uv is None and not ensurepip:
        return "{} has no venv module: install it (Debian, Ubuntu: apt install python3-venv) or install uv".format(
            sys.executable
        )
    return None


def fingerprint() -> str:
    """Return what a ready ``.venv`` depends on: lock, project metadata, interpreter, and where the checkout lies."""
    import tomllib

    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        project = tomllib.load(file)
    wheel = project["tool"]["hatch"]
    told = repr((project["project"], project["build-system"], wheel, ROOT, sys.base_prefix, sys.version_info[:2]))
    with open(LOCK, "rb") as file:
        return hashlib.sha256(file.read() + told.encode()).hexdigest()


def commands(uv: "str | None") -> "list[list[str]]":
    """Return the programs that make the environment; every download is checked against a hash of the lock."""
    python = os.path.join(VENV, "bin", "python")
    own = ["--no-deps", "--no-build-isolation", "--editable", ROOT]  # the build backend is in the lock
    if uv is not None:
        install = [uv, "pip", "install", "--python", python]
        return [
            [uv, "venv", "--allow-existing", "--no-python-downloads", "--python", sys.executable, VENV],
            [*install, "--require-hashes", "--requirement", LOCK],
            [*install, *own],
        ]
    install = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    return [
        [sys.executable, "-m", "venv", VENV],
        [*install, "--require-hashes", "--requirement", LOCK],
        [*install, *own],
    ]


def ready(wanted: str) -> bool:
    """Return whether ``.venv`` was completed for exactly this checkout, lock and interpreter."""
    try:
        with open(STAMP) as file:
            return file.read() == wanted
    except OSError:
        return False


def build(wanted: str, uv: "str | None") -> "str | None":
    """Make the environment anew; return None, or the sentence that says which step failed."""
    shutil.rmtree(VENV, ignore_errors=True)
    os.makedirs(VENV)
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    with open(LOG, "w") as log:
        for command in commands(uv):
            log.write("$ {}\n".format(" ".join(command)))
            log.flush()
            if subprocess.call(command, stdout=log, stderr=log, cwd=ROOT, env=environment) != 0:
                return "could not make .venv, this failed: {}".format(" ".join(command))
    with open(STAMP, "w") as file:
        file.write(wanted)
    return None


def main() -> int:
    """Return 0 when ``.venv`` is ready; otherwise print the log's end and one sentence, and return 1."""
    uv = shutil.which("uv")
    reason = refusal(sys.version_info[:2], uv, importlib.util.find_spec("ensurepip") is not None)
    if reason is None:
        # The checkout itself is the lock: two `make` in one checkout take turns, and no lock file is left.
        turn = os.open(ROOT, os.O_RDONLY)
        fcntl.flock(turn, fcntl.LOCK_EX)
        wanted = fingerprint()
        if ready(wanted):
            return 0
        print("making .venv with {} (log: .venv/setup.log)".format("uv" if uv else "pip"), flush=True)
        started = time.monotonic()
        reason = build(wanted, uv)
        if reason is None:
            print("made .venv in {:.0f} s".format(time.monotonic() - started), flush=True)
            return 0
        with open(LOG) as log:
            sys.stderr.write("".join(log.readlines()[-30:]))
    sys.stderr.write("ringproof: {}\n".format(reason))
    return 1


if __name__ == "__main__":
    sys.exit(main())
