"""What CoreDNS is told in each DNS mode, and how it lies about some names. Pure text.

A question belongs to the server block with the most specific zone, so a rule about one name is a block of its own: it
stands before cache and zones, and taking the block away restores exactly what was there before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clusters.dns.rules import Rule
from clusters.errors import UsageError
from clusters.kind.layout import ClusterPlace

PEER_PORT = 30053
"""Node port on which a cluster answers the other clusters' servers (Kubernetes: 30000-32767)."""
VERSION_NAME = "corefile.ringproof.internal"
"""A TXT question for this name is answered with the digest of the file in force."""
DIGEST_LENGTH = 16
ACTIONS = {"servfail": "SERVFAIL", "nxdomain": "NXDOMAIN"}


def corefile(place: ClusterPlace, peers: Mapping[str, str], rules: Sequence[Rule] = ()) -> str:
    """The file of one cluster. ``peers`` are addresses that answer for the zones of the joined clusters.

    Nothing is forwarded to the machine's own resolver: a name that belongs to no cluster is denied at once.
    """
    blocks = [*_rules(place, rules), _own(place), *_peers(place, peers)]
    body = "\n".join(blocks)
    return f"{body}\n{_rest(digest(body))}"


def digest(body: str) -> str:
    """What the file calls itself."""
    return hashlib.sha256(body.encode()).hexdigest()[:DIGEST_LENGTH]


def version(text: str) -> str:
    """The digest that a file made by corefile() announces."""
    return text.rpartition('TXT \\"')[2].partition('\\"')[0]


def checked(rule: Mapping[str, Any]) -> Rule:
    """A rule that a Corefile can express; UsageError when it cannot."""
    known = {key: value for key, value in rule.items() if key in Rule.__slots__}
    made = Rule(**known)
    if "*" in made.match or "?" in made.match or made.clients or made.types:
        raise UsageError(f"rule {made.id}: CoreDNS is told whole names for everybody, not {made.match!r}")
    return made


def _own(place: ClusterPlace) -> str:
    dns = place.spec.dns
    return f"""{dns.suffix}:53 in-addr.arpa:53 {{
    errors
    health {{
        lameduck 1s
    }}
    ready
    kubernetes {dns.suffix} in-addr.arpa {{
        pods insecure
        ttl {dns.ttl}
    }}
    cache {{
        success 9984 {dns.cache} 0
        denial 9984 {dns.negative_cache} 0
    }}
    reload 2s 1s
    loadbalance
}}"""


def _peers(place: ClusterPlace, peers: Mapping[str, str]) -> Iterator[str]:
    dns = place.spec.dns
    for zone, address in peers.items():
        yield f"""{zone}:53 {{
    errors
    cache {{
        success 9984 {dns.cache} 0
        denial 9984 {dns.negative_cache} 0
    }}
    forward . {address}:{PEER_PORT} {{
        max_fails 0
    }}
}}"""


def _rules(place: ClusterPlace, rules: Sequence[Rule]) -> Iterator[str]:
    for rule in rules:
        ttl = place.spec.dns.ttl if rule.ttl is None else rule.ttl
        yield f"{rule.match.rstrip('.')}:53 {{\n{_lie(rule, ttl)}\n}}"


def _lie(rule: Rule, ttl: int) -> str:
    if rule.action == "drop":
        return "    erratic {\n        drop 1\n    }"
    if rule.action == "answer":
        answer = f'    template IN A {{\n        answer "{{{{ .Name }}}} {ttl} IN A {rule.address}"\n    }}'
        return f"{answer}\n    template IN ANY {{\n        rcode NOERROR\n    }}"
    return f"    template ANY ANY {{\n        rcode {ACTIONS[rule.action]}\n    }}"


def _rest(announced: str) -> str:
    return f""".:53 {{
    template IN TXT {VERSION_NAME} {{
        answer "{{{{ .Name }}}} 0 IN TXT \\"{announced}\\""
    }}
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
}}
"""
