"""Which sentence tells which failure, for those that carry nothing but their sentence.

An error and a doubt are one sentence for a person, and bundles hold nothing else; so they are told apart by the words
that the place which utters them never varies. The first pattern that is found decides. A test walks every place that
raises an error, and finds patterns that nothing utters any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

Pattern = tuple[str, str]
"""(failure, regular expression that is searched for in its sentence)."""

ERRORS: dict[str, Sequence[Pattern]] = {
    "CleanupFailed": (
        ("error:keeper killed", r"^keeper .* was killed; it said"),
        ("error:host not prepared", r"^containers are running|cannot be taken back"),
    ),
    "BundleError": (
        ("error:no bundle", r"no scenario folder|no run folder"),
        ("error:another boot", r"recorded in another boot"),
        ("error:schema", r"schema .* is not known here"),
        ("error:unreadable file", r"cannot be read|not UTF-8|not a readable \.tar\.gz|is no plain file inside"
                                  r"|when unpacked, no bundle"),
        ("error:impossible history", r"is invoked twice|overlaps itself|does one thing at a time|without a return time"
                                     r"|completion without|second completion|returned before|are open at once"),
        ("error:facts missing", r"token cannot be reckoned|replicas of a key cannot be|no host or datacenter"),
        ("error:malformed record", r"JSON|anchor|torn line|is not a check|:\d+: |no operation in it"),
    ),
    "UsageError": (
        ("error:held lab", r"no ring is up|several rings are up|no ring called|still coming up|the held ring is"
                           r"|no ring was formed there|made on clusters of| was made by "),
        ("error:not to be compared", r"name a scenario's folder of a run|not a readable verdict|verdicts of different"),
        ("error:no ring declared", r"declares no ring"),
        ("error:nothing selected", r"nothing was selected|^say which: "),
        ("error:not buildable by kind", r"kind (does not build|holds) |too small for kind|is the control plane's"
                                        r"|^the node image holds"),
        ("error:range too small for the lab", r"the lab (needs|holds) "),
        ("error:how to judge", r"is one history: say of what|is a bundle, its checks are in it|^--initial"),
        ("error:not to be packed", r"is still going on|copy its folder as it is"),
        ("error:no run", r"^there is no run in|was conducted in this run already"),
        ("error:setting", r"RINGPROOF_|is no duration|^--(repeats|keep|quick)"),
        ("error:malformed YAML", r"malformed YAML|is given twice|the file is empty|expected a YAML file"),
        ("error:declared value", r":\d+:\d+: "),
        ("error:workload", r"workloads (ask for|are running)|^declared twice|rate must be above 0|would contend for"
                           r"|must contend, not"
                           r"|no final read for|a client (has at most|never continues)|python -m scenarios\.client"
                           r"|^(ledger:|keyspace|replication|read_repair) |client-\S+\.json: |: cannot be read \("),
        ("error:unknown name", r"^no \S+ is (called|named)|has no (variant|pod|lock)|no variant of"
                               r"|does not exist; known|unknown series"),
        ("error:DNS refused", r"^rule |^DNS of |^(forward|upstream|pods|configuration|own|log|cache)[.:]"
                              r"|no address such as|unknown key .*; known|expected .*(, found|one of)|is no port"
                              r"|is no DNS name|is missing$|not one lower-case label|^pod .*: address: "
                              r"|cannot be read as JSON"),
    ),
    "ArtifactMissing": (
        ("error:broken artifact", r"not what the lock says|jamm jars"),
        ("error:no fitting Java", r"published as a wheel|pip or uv"),
        ("error:no route to the registry", r"not to be had from|could not be fetched"),
    ),
    "EnvironmentUnfit": (
        ("error:broken artifact", r"not a Java"),
        ("error:installation", r"install ringproof again"),
        ("error:no fitting Java", r"RINGPROOF_JAVA|does not run on Java"),
        ("error:slow driver", r"libev"),
        ("error:ability missing", r"which cluster .* cannot do|^no other host of .* can have"),
        ("error:kind not made", r"does not say what is in it|here; make one with|\bkind is not installed"),
        ("error:no engine", r"no container engine (is|can)"),
        ("error:machine unfit for kind", r"cannot carry kind clusters"),
        ("error:host not prepared", r"a container engine is installed|does not answer after its installation"
                                    r"|packages cannot be installed|stays as it is"),
        ("error:no space for images", r"^no space for images"),
        ("error:images not built", r"no registry and no Go|cannot be built with Go|mmdebstrap|built for x86_64"
                                   r"|cannot be made from Debian|delete that folder and call"),
        ("error:engine refuses", r"cannot load an image|cannot start a privileged"),
        ("error:images not pulled", r"cannot be pulled|not published as a node|cannot be saved|here to save"
                                    r"|cannot be written: "),
        ("error:folder not writable", r"cannot be made|runs are kept below it|where you may write"),
    ),
    "ProvisionFailed": (
        ("error:lab not started", r"^the lab .* cannot be started|the lab did not start|ended by themselves"
                                  r"|^the holder ended"),
        ("error:cluster not as declared", r"is not as declared"),
        ("error:kind clusters not up", r"did not come up: |are up already; take|is not waited for: kind"),
        ("error:ring not formed", r"the ring did not form|^no ring of|declares no ring|no schema agreement"),
        ("error:held ring not clean", r"held ring"),
        ("error:pod address", r"^address |no address is free"),
        ("error:wrong host answers", r"answers host|is host .* not"),
        ("error:bench", r"the formation did not tell|history of the first requests"),
    ),
    "RingproofError": (
        ("error:verdict not written", r"copy the bundle to a writable place"),
        ("error:class-data archive", r"a single host|the JVM wrote none"),
        ("error:bench", r"the bench's own"),
    ),
}  # fmt: skip
"""The kinds of an error, by its class: the nearest class that has kinds decides, then the class itself."""

DOUBTS: Sequence[Pattern] = (
    ("reason:unknown check", r"is not known to this version of ringproof"),
    ("reason:starved", r"the machine was starved"),
    ("reason:not conducted", r"the run broke at .*: not conducted: "),
    ("reason:run broke", r"the run broke at "),
    ("reason:moment missing", r"has no recorded '|^no phase '|^fault \S+ was never injected|^no mark '"),
    ("reason:unobserved", r"was never observed in that time|nobody looked between|when observation ended after"),
    ("reason:no baseline", r"before the fault are no baseline"),
    ("reason:history too short", r"the history ends .* after the fault"),
    ("reason:search budget", r"undecided after \d+ steps"),
    ("reason:no order promised", r"plain writes \(|different electorates|decide each for itself|need not see a write"),
    ("reason:ambiguous history", r"written more than once|was written after|wrote at once|only increments"),
    ("reason:replicas unknown", r"^nothing is known of|^not every host of |replicas of a key cannot be reckoned"),
    ("reason:nothing stable", r"acknowledged elements was stable"),
    ("reason:not all asked", r"was never (probed|tried|asked)|has no (final )?read|was not read for"),
    ("reason:no check", r"^no check was declared"),
    ("reason:check raised", r"the check could not be made"),
)
"""Why a check or the system's verdict is not decided."""

FAULTS: Sequence[Pattern] = (
    ("bundle:altered", r"files are not as recorded"),
    ("error:schema", r"schema .* is not known here"),
    ("error:malformed record", r"not JSON|not a JSON object"),
    ("fault:did not bite", r"did not bite"),
    ("fault:ended in error", r"ended in error"),
    ("fault:never injected", r"declared but never injected"),
    ("fault:state missing", r"has no recorded '"),
    ("fault:out of order", r"states out of order"),
)
"""Why it is unknown whether a fault took effect."""

BUNDLES: Sequence[Pattern] = (
    ("bundle:missing", r"^missing"),
    ("bundle:unread", r"^(larger than|a link|not a regular file|not readable)"),
    ("bundle:altered", r""),
)
"""What is wrong with a file of a bundle; what is neither missing nor left unread was altered or torn."""

CLEANUPS: Sequence[Pattern] = (("cleanup:not recorded", r"before the clean-up was recorded"), ("cleanup:left", r""))
"""What the clean-up says."""


def told(sentence: str, patterns: Iterable[Pattern]) -> str | None:
    """The failure of the first pattern found in `sentence`; None when there is none."""
    return next((failure for failure, pattern in patterns if re.search(pattern, sentence)), None)
