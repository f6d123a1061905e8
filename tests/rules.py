"""Rules that every implementation of NetworkOps must add, list and delete one by one."""

from clusters.network import Rule

RULES = [
    Rule(10),
    Rule(11, "unreachable", source="10.9.0.0/16"),
    Rule(12, "prohibit", destination="10.9.8.7/32"),
    Rule(13, iif="eth0", destination="10.9.0.0/16"),
    Rule(14, "prohibit", destination="10.9.8.7/32", protocol="tcp", port=7000),
    Rule(15, source="10.8.0.0/16", protocol="udp", port=53),
]
