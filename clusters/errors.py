"""Every error that the suite can utter, as one tree.

RingproofError
├── UsageError            exit 4    the caller asked for something that does not exist or cannot be read
│   └── PlanRefused       exit 4    the address plan is not sound; every conflict is listed
├── EnvironmentUnfit      exit 11   this machine cannot do it; the sentence says what is missing and the fix
│   └── ArtifactMissing   exit 11   a jar or runtime is not in the cache and could not be fetched
├── ProvisionFailed       exit 12   clusters or ring could not be brought up
├── ClustersRefused       exit 3    the clusters refused an act; nothing was done
├── ClustersGone          exit 3    the clusters ended under the caller
├── WaitTimeout           exit 1    a condition did not hold in time; carries the last observation
├── FaultIneffective      exit 10   a fault was injected and no independent observation showed it
├── CleanupFailed         exit 13   something that we added could not be removed
└── BundleError           exit 4    a bundle cannot be read; says which file and why
"""

from __future__ import annotations


class RingproofError(Exception):
    """An error with one clear sentence for a person and the exit code of the command."""

    exit_code: int = 3


class UsageError(RingproofError):
    """What was asked for does not exist or cannot be read."""

    exit_code = 4


class PlanRefused(UsageError):
    """The address plan is not sound; the message names every conflict."""


class EnvironmentUnfit(RingproofError):
    """This machine lacks something; the message says what and how to get it."""

    exit_code = 11


class ArtifactMissing(EnvironmentUnfit):
    """A published file is neither cached nor fetchable."""


class ProvisionFailed(RingproofError):
    """Clusters or ring could not be brought up."""

    exit_code = 12


class ClustersRefused(RingproofError):
    """The clusters refused an act; the message is their own."""


class ClustersGone(RingproofError):
    """The clusters are no more. No ConnectionError: waiting does not bring them back."""


class WaitTimeout(RingproofError):
    """A named condition did not hold in time."""

    exit_code = 1

    def __init__(self, what: str, seconds: float, tries: int, last: object) -> None:
        super().__init__(f"{what}: not after {seconds:.1f} s, {tries} tries; last: {last}")
        self.what = what
        self.last = last


class FaultIneffective(RingproofError):
    """A fault was injected and nothing independent showed that it bit."""

    exit_code = 10


class CleanupFailed(RingproofError):
    """Something that this run added could not be removed."""

    exit_code = 13


class BundleError(UsageError):
    """A bundle cannot be read."""
