"""A packed bundle, opened: read as a folder, and nothing of it reaches outside of one private folder."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from clusters.errors import BundleError

MOST_BYTES = 2 * 1024**3
"""Of an archive, unpacked; packing writes a quarter of it at most (`reports.packing`)."""
MOST_FILES = 100_000
"""Of an archive; a nightly run has some 2,000."""
SUFFIXES = (".tar.gz", ".tgz", ".tar")
_BROKEN = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError)
"""What tarfile lets through of a damaged archive."""


def packed(path: Path) -> bool:
    """Whether a path is a packed bundle by its name or its first bytes; never raises."""
    if not path.is_file():
        return False
    if path.name.endswith(SUFFIXES):
        return True
    try:
        with path.open("rb") as stream:
            head = stream.read(512)
    except OSError:
        return False
    return head.startswith(b"\x1f\x8b") or head[257:262] == b"ustar"


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The folder of a bundle: `path` itself, or for an archive a private copy that is removed at the end.

    The copy is the archive's only folder, or the archive's top where a bundle lies there openly. BundleError for an
    archive that is damaged, too large, holds no bundle, or anything but folders and plain files below one folder.
    """
    if not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="ringproof-") as scratch:
        root = Path(scratch)
        try:
            with tarfile.open(path) as archive:
                _unpack(archive, root, path)
                _read_to_the_end(archive)
        except _BROKEN as error:
            raise BundleError(f"{path}: not a readable .tar.gz ({_told(error)}); copy or pack it again") from error
        yield _bundle(root, path)


def _read_to_the_end(archive: tarfile.TarFile) -> None:
    """ReadError when members ended at a damaged header, which tarfile takes for the end; a wrong checksum surfaces."""
    stream = archive.fileobj
    assert stream is not None  # it was opened by its path
    stream.seek(archive.offset)
    if stream.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError("a member's header is damaged")
    while stream.read(1 << 20):
        pass


def _bundle(root: Path, path: Path) -> Path:
    inner = [item for item in root.iterdir() if item.is_dir()]
    found = root if _known(root) or len(inner) != 1 else inner[0]
    if not _known(found):
        raise BundleError(f"{path}: no scenario folder (scenario.json) and no run folder (scenarios/) in it")
    return found


def _known(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("scenario.json", "scenarios", "run.json"))


def _unpack(archive: tarfile.TarFile, root: Path, source: Path) -> None:
    """Folders and regular files below `root`, and nothing else; a name that comes twice is damage.

    Not `extractall`: Python before 3.11.4, Debian 12's among them, has no `filter="data"`.
    """
    total = 0
    for number, member in enumerate(archive):
        place = PurePosixPath(member.name)
        if place.is_absolute() or ".." in place.parts or not (member.isreg() or member.isdir()):
            raise BundleError(f"{source}: {member.name!r} is no plain file inside the bundle; it was not unpacked")
        total += member.size
        if total > MOST_BYTES or number >= MOST_FILES:
            limit = f"{MOST_BYTES >> 20} MiB or {MOST_FILES} files"
            raise BundleError(f"{source}: larger than {limit} when unpacked, no bundle of a run; it was not unpacked")
        target = root / place
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        content = archive.extractfile(member)
        assert content is not None  # a regular file has one
        with content, target.open("xb") as stream:
            shutil.copyfileobj(content, stream)


def _told(error: BaseException) -> str:
    """The reason without the path of our own copy."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (said or type(error).__name__).splitlines()[0].rstrip(":")  # of all forms that tarfile tried, the sum
