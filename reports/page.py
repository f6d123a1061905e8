"""report.html: one page that holds all of a run, opens from a disk without any network, and shows no secret of its own.

It is drawn from the bundle alone, by nothing but this code and its templates: the same bundle gives the same bytes.
Everything that comes from a bundle is escaped; a Content-Security-Policy forbids every request and every script but
the one of the page.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reports.bundle import DERIVED, FileEntry, Json, mapping, number, objects, text
from reports.clock import Window
from reports.drawing import place as coordinate
from reports.explained import explained
from reports.limits import NARROW, clipped, figure, plain
from reports.place import Place, place
from reports.safe import address, safe
from reports.section import NOT_DRAWABLE, Section, fault_rows, section
from reports.sparkline import trend
from reports.story import headline, lede, part_note, pods_hit
from reports.verdicts import SHOWN_ORDER, Run, read_run

ROOM = 2_400_000
"""Bytes for the sections; drawings of further sections are left out, so that the page stays below 3 MB."""
MOST_STORIES = 3
MOST_PROMISES = 12
MOST_FILES = 500
MOST_CELLS = 8
"""Pods up to which a matrix that is right in all its cells is written cell by cell too, for who doubts its picture."""
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Head:
    """The first screen: what the run says in its first 900 pixels."""

    id: str
    word: str
    headline: str
    lede: str
    parts: list[tuple[str, str, str]]
    started: str
    length: str
    profile: str
    counts: dict[str, int]
    facts: list[tuple[str, str]]


def write_page(run_folder: Path) -> Path:
    """Write ``report.html`` into a run folder and return its path. BundleError only if there is no such folder."""
    run = read_run(run_folder)
    page = run.reader.root / "report.html"
    staging = page.with_name("report.html.tmp")
    staging.write_text(render(run), encoding="utf-8")
    os.replace(staging, page)  # noqa: PTH105 - same as Path.replace; says that it is atomic
    return run_folder / "report.html"


def render(run: Run, room: int = ROOM) -> str:
    """Return the page of a run; drawings stop once the sections take ``room`` bytes."""
    listed = run.worst_first()
    hits = {one.id: pods_hit(one) for one in listed}
    sections = [section(one) for one in listed]
    controls = [section(one, anchored="control") for one in run.controls]
    written = _written([*sections, *controls], room)
    return _render(
        "page",
        head=_head(run),
        sections=sections,
        written=written[: len(sections)],
        controls=list(zip(controls, written[len(sections) :], strict=True)),
        places=_places(run, hits),
        files=_files(run),
        trend=trend(run),  # before the troubles, to which it may add
        troubles=run.reader.troubles[:100],
        environment=_environment(run),
        policy=_policy(),
        style=_style(),
        script=_script(),
        stories=_stories(sections),
        explained=explained(story.code for one in _with_nested([*sections, *controls]) for story in one.stories),
        most_promises=MOST_PROMISES,
        derived=sorted(DERIVED),
    )


def _written(sections: list[Section], room: int) -> list[Markup]:
    """The sections as HTML; those for which no room is left lose their pictures, and say so."""
    written, used = [], 0
    for one in sections:
        content = _render("section", sec=one)
        if used + len(content.encode()) > room:
            one.drawn, one.timeline, one.matrices, one.chronicle, one.strip = False, None, [], [], ()
            content = _render("section", sec=one)
        used += len(content.encode())
        written.append(Markup(content))  # noqa: S704 - our own template wrote it, escaped
    return written


@cache
def _environment_of_templates() -> Environment:
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"plain": plain, "coordinate": coordinate, "clipped": clipped}
    found.filters |= {"quote": address, "windowed": _windowed}
    found.globals |= {"fault_rows": fault_rows, "NARROW": NARROW, "SHOWN_ORDER": SHOWN_ORDER, "most_cells": MOST_CELLS}
    return found


def _windowed(windows: Iterable[Window]) -> str:
    """The faults as the script of the page reads them: id, begin and end in seconds; no end is null."""
    return json.dumps([[window.id, round(window.inject, 3), window.end] for window in windows])


def _render(template: str, **values: object) -> str:
    return safe(_environment_of_templates().get_template(f"{template}.html.j2").render(**values))


def _style() -> Markup:
    return Markup((TEMPLATES / "style.css").read_text("utf-8"))  # noqa: S704 - a file of this package


def _script() -> Markup:
    return Markup((TEMPLATES / "script.js").read_text("utf-8"))  # noqa: S704 - a file of this package


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(_script().encode()).digest()).decode()
    scripts = f"script-src 'sha256-{digest}'"
    return f"default-src 'none'; style-src 'unsafe-inline'; {scripts}; base-uri 'none'; form-action 'none'"


def _head(run: Run) -> Head:
    started, ended = _wall(run.facts.get("started")), _wall(run.facts.get("ended"))
    length = f"{plain(round((ended - started).total_seconds()))} s" if started and ended and ended >= started else ""
    names = {"system": "system under test", "evidence": "fault evidence", "cleanup": "clean-up"}
    parts = [(label, run.parts[part], part_note(run, part)) for part, label in names.items()]
    return Head(
        run.id,
        run.verdict,
        headline(run),
        lede(run),
        parts,
        f"{started:%Y-%m-%d %H:%M} UTC" if started else "time not recorded",
        length,
        text(run.facts.get("profile")),
        {word: count for word, count in run.counts().items() if count},
        _identity(run),
    )


def _identity(run: Run) -> list[tuple[str, str]]:
    seed = run.facts.get("seed")
    told = [
        ("profile", text(run.facts.get("profile"))),
        ("provider", text(run.facts.get("provider"))),
        ("seed", "" if seed is None else str(seed)),
        ("versions", figure(mapping(run.facts.get("versions")))),
    ]
    return [(name, value) for name, value in told if value]


def _wall(value: object) -> datetime.datetime | None:
    """Return a wall time written as seconds since 1970 or in ISO form."""
    seconds = number(value)
    try:
        if seconds is not None:
            return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
        found = datetime.datetime.fromisoformat(text(value))
    except (ValueError, OverflowError, OSError):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).astimezone(datetime.UTC)


def _places(run: Run, hits: dict[str, set[str]]) -> list[tuple[Place, int]]:
    names = list(dict.fromkeys([one.topology for one in run.worst_first()] + list(run.topologies)))
    found = []
    for name in names[:20]:
        members = [one for one in run.worst_first() if one.topology == name]
        hosts = next(filter(None, (objects(one.facts.get("hosts")) for one in members)), [])
        hit = set().union(*(hits[one.id] for one in members)) if members else set()
        try:
            found.append((place(name, run.topologies.get(name, {}), hosts, hit), len(members)))
        except NOT_DRAWABLE:
            run.reader.complain(run.reader.root / "topologies" / name, "its picture cannot be drawn from these files")
    return found


def _with_nested(sections: Iterable[Section]) -> Iterator[Section]:
    for one in sections:
        yield one
        yield from _with_nested(one.nested)


def _stories(sections: list[Section]) -> list[tuple[Section, int]]:
    """The sections whose first paragraphs stand at the top, and how many more are not valid."""
    amiss = [one for one in sections if one.word != "valid" and one.stories]
    return [(one, len(amiss) - MOST_STORIES) for one in amiss[:MOST_STORIES]]


def _files(run: Run) -> tuple[list[FileEntry], int, int]:
    """The files that are listed, the number of all, and their bytes."""
    found = list(run.reader.files())
    return found[:MOST_FILES], len(found), sum(one.size for one in found)


def _environment(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    """Everything that run.json says, group by group: what is not a group stands under ``run``."""
    flat: list[tuple[str, str]] = []
    groups: list[tuple[str, list[tuple[str, str]]]] = [("run", flat)]
    for key, value in run.facts.items():
        if isinstance(value, dict) and value:
            groups.append((key, [(name, _told(item)) for name, item in _leaves(value)]))
        else:
            flat.append((key, _told(value)))
    return groups


def _leaves(value: Json, prefix: str = "", depth: int = 0) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for key, item in list(value.items())[:60]:
        if isinstance(item, dict) and item and depth < 3:
            found += _leaves(item, f"{prefix}{key} ", depth + 1)
        else:
            found.append((f"{prefix}{key}", item))
    return found


def _told(value: object) -> str:
    return clipped(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), 600)
