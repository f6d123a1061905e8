"""Which images a node carries, and which layers each is made of.

Inside a node they have fixed names, because manifests name them and nothing is ever pulled there: Kubernetes' own
images the names that kubeadm asks for, ours ``localhost/ringproof/<name>:baked``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from clusters.ring.artifacts import ensure_cassandra, read_lock
from clusters.ring.flags import fitting_majors
from clusters.ring.java import wheel_java
from images import golang, rootfs
from images.layers import Entry, Image, Layer, folder_entries, layer, write_layer
from images.lock import Build, Minor
from images.store import Artifact, key

FOLDER: Final = Path(__file__).parent
PATH: Final = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/opt/java/bin"
JAVA: Final = "/opt/java"
JARS: Final = "/opt/cassandra/lib"
FLANNEL: Final = "localhost/ringproof/flannel:baked"
TOOLS: Final = "localhost/ringproof/tools:baked"
PROVISIONER: Final = "localhost/ringproof/local-path-provisioner:baked"
COMPONENTS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
APPLETS: Final = (
    "awk", "basename", "cat", "chmod", "chown", "cmp", "cp", "cut", "date", "dd", "df", "dirname", "du", "echo", "env",
    "false", "find", "free", "grep", "gzip", "head", "hostname", "id", "kill", "ln", "ls", "mkdir", "mktemp", "mv",
    "nc", "nproc", "nslookup", "od", "pgrep", "pidof", "ping", "ping6", "pkill", "printf", "ps", "pwd", "readlink",
    "realpath", "rm", "rmdir", "sed", "seq", "sleep", "sort", "stat", "sync", "tail", "tar", "tee", "test",
    "timeout", "top", "touch", "tr", "true", "uname", "uniq", "vi", "wc", "wget", "which", "xargs",
)  # fmt: skip
"""busybox is one file; each name is a link to it. Not sh: its own prefers applets to programs, such as its ip."""
TABLES: Final = tuple(f"{family}{act}" for family in ("iptables", "ip6tables") for act in ("", "-save", "-restore"))
"""Debian's packages make these links by update-alternatives, which an unpacked rootfs never ran."""


def cassandra_image(version: str) -> str:
    """Return the name of the Cassandra image inside a node."""
    return f"localhost/ringproof/cassandra:{version}"


def etcd_tag(tools: Path) -> str:
    """Return etcd's image tag: Debian's version, in the form that kubeadm parses."""
    return f"{rootfs.package_version(tools, 'etcd-server')}-0"


def tools_layer() -> Artifact:
    """What an unpacked rootfs lacks: names of busybox and iptables, a root user, flannel's start."""
    entries = {f"usr/bin/{name}": Entry(link="busybox") for name in APPLETS}
    entries |= {f"usr/sbin/{name}": Entry(link="xtables-nft-multi") for name in TABLES}
    entries["usr/bin/sh"] = Entry(link="dash")
    entries |= {
        "etc/passwd": Entry(b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
        "etc/group": Entry(b"root:x:0:\nnogroup:x:65534:\n"),
        "usr/local/bin/flannel-node": Entry(FOLDER / "tools" / "flannel-node", 0o755),
        "tmp/.keep": Entry(b""),
        "run/.keep": Entry(b""),
    }
    return _layer_of("layer-tools", entries, key(" ".join([*APPLETS, *TABLES]), FOLDER / "tools" / "flannel-node"))


def kube_layer(kubernetes: Artifact) -> Artifact:
    """The one program and its names, for the component images."""
    names = (*COMPONENTS, "kubectl")
    entries = {f"usr/local/bin/{name}": Entry(link="kube") for name in names}
    entries["usr/local/bin/kube"] = Entry(kubernetes.path, 0o755)
    return _layer_of("layer-kube", entries, key(kubernetes.key, " ".join(names)))


def program_layer(program: Artifact) -> Artifact:
    """One program in /usr/local/bin."""
    entries = {f"usr/local/bin/{program.name}": Entry(program.path, 0o755)}
    return _layer_of(f"layer-{program.name}", entries, key(program.key))


def cassandra_layer(version: str) -> Artifact:
    """The Java of the lab's lock and the jars of the lab's lock, each verified against it when fetched."""
    major = fitting_majors(version)[0]

    def make(target: Path) -> None:
        jars = ensure_cassandra(version)
        java = wheel_java(major)
        entries = dict(folder_entries(java.home, JAVA.lstrip("/")))
        entries |= {f"{JARS.lstrip('/')}/{jar.name}": Entry(jar) for jar in sorted(jars.glob("*.jar"))}
        write_layer(target, entries)

    locked = read_lock(version).model_dump_json()
    return Artifact("layer-cassandra", key(locked, str(major), JAVA, JARS), 20, make)


def node_layer(build: Build, minor: Minor, kubernetes: Artifact) -> Artifact:
    """All that makes a Debian a node: Kubernetes' programs, units, containerd's settings, kind's manifests."""
    source = FOLDER / "node"
    settings = (source / "containerd.toml").read_text().replace("@PAUSE@", build.pause)
    entries = {
        "usr/local/bin/kube": Entry(kubernetes.path, 0o755),
        **{f"usr/bin/{name}": Entry(link="/usr/local/bin/kube") for name in ("kubeadm", "kubelet", "kubectl")},
        "usr/local/bin/entrypoint": Entry(source / "entrypoint", 0o755),
        "usr/local/bin/kubelet-cgroups": Entry(source / "kubelet-cgroups", 0o755),
        "etc/systemd/system/kubelet.service": Entry(source / "kubelet.service"),
        "etc/containerd/config.toml": Entry(settings.encode()),
        "kind/manifests/default-cni.yaml": Entry(source / "default-cni.yaml"),
        "kind/manifests/default-storage.yaml": Entry(source / "default-storage.yaml"),
        "kind/version": Entry(f"v{minor.version}\n".encode()),
    }
    files = [file for file in source.iterdir() if file.name not in {"settle", "containerd.toml"}]
    return _layer_of("layer-node", entries, key(kubernetes.key, settings, minor.version, files))


def carried(build: Build, minor: Minor, parts: Mapping[str, Artifact]) -> list[Image]:
    """Return the images that a node carries; every part has been made."""
    ready = {name: layer(part.path, part.digest()) for name, part in parts.items()}
    tools = [ready["rootfs-tools"], ready["layer-tools"]]
    kube = [f"registry.k8s.io/{name}:v{minor.version}" for name in COMPONENTS]
    etcd = f"registry.k8s.io/etcd:{etcd_tag(parts['rootfs-tools'].path)}"

    def image(names: list[str], *layers: Layer) -> Image:
        return Image(names, layers, environment=[PATH])

    def alone(name: str, program: str) -> Image:
        return Image([name], [ready[f"layer-{program}"]], [PATH], [f"/usr/local/bin/{program}"])

    return [
        image([TOOLS, etcd], *tools),
        image(kube, *tools, ready["layer-kube"]),
        image([FLANNEL], *tools, ready["layer-flanneld"]),
        image([PROVISIONER], *tools, ready["layer-local-path-provisioner"]),
        image([cassandra_image(build.cassandra)], *tools, ready["layer-cassandra"]),
        alone(f"registry.k8s.io/coredns/coredns:{build.coredns}", "coredns"),
        alone(f"registry.k8s.io/pause:{build.pause}", "pause"),
    ]


def layers_of(build: Build, minor: Minor) -> dict[str, Artifact]:
    """Return every layer by name, in the order in which they can be made."""
    kubernetes = golang.kubernetes(minor)
    parts = [rootfs.tools(build.debian), tools_layer(), rootfs.node(build.debian), cassandra_layer(build.cassandra)]
    parts += [program_layer(program) for program in golang.programs()]
    parts += [kube_layer(kubernetes), node_layer(build, minor, kubernetes)]
    return {part.name: part for part in parts}


def _layer_of(name: str, entries: Mapping[str, Entry], made_of: str) -> Artifact:
    return Artifact(name, made_of, 1, lambda target: write_layer(target, entries))
