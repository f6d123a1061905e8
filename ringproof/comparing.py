"""`ringproof compare`: whether two providers judged one scenario alike."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from scenarios.comparing import ABILITIES, MAY_DIFFER, differences, read_verdict


def compare(left: Path, right: Path, console: Console) -> int:
    """Print every field that differs and must not; 0 when there is none, 1 otherwise."""
    one, other = read_verdict(left), read_verdict(right)
    found = list(differences(one, other))
    for difference in found:
        console.print(f"✗ {difference}", markup=False, highlight=False)
    alike = f"{one['scenario']} on {one['topology']} and on {other['topology']}"
    told = f"{len(MAY_DIFFER)} kinds of fields and {len(ABILITIES)} checks of one provider alone may differ"
    if found:
        console.print(f"{alike}: {len(found)} fields differ that must not; {told}.", markup=False)
        return 1
    console.print(f"✓ {alike}: judged alike; {told}.", markup=False)
    return 0
