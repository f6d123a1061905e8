"""Image archives as `docker save` writes them, put together without an engine.

An archive holds each layer once, however many images share it, and all bytes in it follow from the ingredients.
Both engines and containerd read it.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from clusters.ring.artifacts import JAR_TIME, sha256


@dataclass(frozen=True)
class Entry:
    """One file of a layer: its text, a file to copy, or where a symbolic link leads."""

    content: bytes | Path | None = None
    mode: int = 0o644
    link: str = ""


@dataclass(frozen=True)
class Layer:
    """An uncompressed tar and its digest."""

    path: Path
    digest: str


@dataclass(frozen=True)
class Image:
    """One image of an archive: its names, its layers from below, and what a container of it is told."""

    names: Sequence[str]
    layers: Sequence[Layer]
    environment: Sequence[str] = ()
    entrypoint: Sequence[str] = ()
    stop_signal: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


TIME: Final = JAR_TIME
"""Modification time of every file, in seconds: class-data archives refer to that of jars."""


def write_layer(target: Path, entries: Mapping[str, Entry]) -> None:
    """Write a tar with exactly these files, owned by root, and the folders above them."""
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as whole:
        for folder in sorted({str(parent) for name in entries for parent in Path(name).parents} - {".", "/"}):
            _add(whole, _info(folder.lstrip("/"), tarfile.DIRTYPE, 0o755), None)
        for name, entry in sorted(entries.items()):
            info = _info(name.lstrip("/"), tarfile.SYMTYPE if entry.link else tarfile.REGTYPE, entry.mode)
            info.linkname = entry.link
            _add(whole, info, entry.content)


def layer(path: Path, digest: str | None = None) -> Layer:
    """Return a tar as a layer; its digest is reckoned when it is not known."""
    return Layer(path, digest or sha256(path))


def write_archive(target: Path, images: Sequence[Image], machine: str = "amd64") -> None:
    """Write an archive of images, each shared layer once."""
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as whole:
        held: dict[str, Path] = {part.digest: part.path for image in images for part in image.layers}
        for digest, path in held.items():
            _add(whole, _info(f"{digest}.tar", tarfile.REGTYPE, 0o644), path)
        manifest = []
        for image in images:
            config = json.dumps(_config(image, machine), sort_keys=True).encode()
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(whole, _info(name, tarfile.REGTYPE, 0o644), config)
            parts = [f"{part.digest}.tar" for part in image.layers]
            manifest.append({"Config": name, "RepoTags": list(image.names), "Layers": parts})
        _add(whole, _info("manifest.json", tarfile.REGTYPE, 0o644), json.dumps(manifest).encode())


def _config(image: Image, machine: str) -> dict[str, Any]:
    told: dict[str, Any] = {"Env": list(image.environment), "Labels": dict(image.labels)}
    if image.entrypoint:
        told["Entrypoint"] = list(image.entrypoint)
    if image.stop_signal:
        told["StopSignal"] = image.stop_signal
    return {
        "architecture": machine,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": told,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{part.digest}" for part in image.layers]},
    }


def _info(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = kind, mode, TIME
    return info


def _add(whole: tarfile.TarFile, info: tarfile.TarInfo, content: bytes | Path | None) -> None:
    if isinstance(content, Path):
        info.size = content.stat().st_size
        with content.open("rb") as file:
            whole.addfile(info, file)
    elif content is not None:
        info.size = len(content)
        whole.addfile(info, io.BytesIO(content))
    else:
        whole.addfile(info)


def folder_entries(source: Path, below: str) -> Iterable[tuple[str, Entry]]:
    """Return every file of a folder as entries below another path; what anyone may execute stays executable."""
    for file in sorted(source.rglob("*")):
        name = f"{below}/{file.relative_to(source)}"
        if file.is_symlink():
            yield name, Entry(link=str(file.readlink()))
        elif file.is_file():
            yield name, Entry(file, 0o755 if file.stat().st_mode & 0o111 else 0o644)
