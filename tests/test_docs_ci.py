"""The files for pipelines parse, call what exists, keep the evidence whatever happens, and gate an upgrade."""

import re
from pathlib import Path

import pytest
import yaml

from scenarios.profiles import PROFILES

FOLDER = Path(__file__).parents[1] / "docs" / "ci"
FILES = ("github-actions.yml", "gitlab-ci.yml", "Jenkinsfile")


def github():
    return yaml.safe_load((FOLDER / "github-actions.yml").read_text())


def gitlab():
    return yaml.safe_load((FOLDER / "gitlab-ci.yml").read_text())


def code(name: str) -> str:
    """A file without its comments."""
    return re.sub(r"(?m)(^|\s)(#|//) .*$", "", (FOLDER / name).read_text())


def profiles(text: str) -> set[str]:
    return set(re.findall(r"ringproof run (\S+?)['\s]", text))


@pytest.mark.parametrize("name", FILES)
def test_profiles_exist_and_every_change_night_and_upgrade_has_its_own(name):
    text = code(name)

    assert profiles(text) == {"change", "nightly"}
    assert profiles(text) <= set(PROFILES)
    assert text.index('ringproof plan "$TOPOLOGY"') < text.index('ringproof run nightly --topology "$TOPOLOGY"')
    assert "continue-on-error" not in text
    assert "allow_failure" not in text
    assert "retry" not in text


@pytest.mark.parametrize("name", FILES)
def test_an_upgrade_is_asked_for_with_a_topology_that_exists(name):
    (default,) = set(re.findall(r"docs/examples/[\w-]+\.yaml", code(name)))

    assert (FOLDER.parents[1] / default).is_file()


def test_github_keeps_evidence_always_and_caches_by_what_is_locked():
    steps = github()["jobs"]["prove"]["steps"]
    (kept,) = [step for step in steps if step.get("uses", "").startswith("actions/upload-artifact@")]
    (cached,) = [step for step in steps if step.get("uses", "").startswith("actions/cache@")]

    assert (kept["if"], kept["with"]["path"]) == ("always()", "runs/")
    assert "requirements.lock" in cached["with"]["key"]
    assert cached["with"]["path"] == ".cache"
    assert all(place.split("/", 1)[1].startswith(".cache/") for place in github()["env"].values())


def test_github_upgrades_only_after_the_proof_and_takes_no_input_into_a_script():
    jobs = github()["jobs"]
    scripts = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]

    assert jobs["upgrade"]["needs"] == "prove"
    assert not any("${{" in script for script in scripts)
    assert github()["permissions"] == {"contents": "read"}


def test_gitlab_keeps_evidence_always_and_caches_inside_the_project():
    hidden = gitlab()[".prove"]
    extending = [name for name, job in gitlab().items() if isinstance(job, dict) and job.get("extends") == ".prove"]

    assert extending == ["change", "nightly", "certify"]
    assert (hidden["artifacts"]["when"], hidden["artifacts"]["paths"]) == ("always", ["runs/"])
    assert hidden["artifacts"]["reports"] == {"junit": "runs/*/junit.xml"}
    assert hidden["cache"]["key"]["files"] == ["requirements.lock"]
    assert gitlab()["variables"]["RINGPROOF_CACHE"].startswith("$CI_PROJECT_DIR/.cache/")


def test_gitlab_upgrades_only_after_the_proof():
    assert gitlab()["upgrade"]["needs"] == ["certify"]
    assert {job for job in gitlab() if job in gitlab()["stages"]} == {"upgrade"}


def test_jenkins_keeps_evidence_always_and_takes_no_parameter_into_a_script():
    text = code("Jenkinsfile")
    scripts = re.findall(r"\bsh (.)", text)

    assert text.count("{") == text.count("}")
    assert "archiveArtifacts artifacts: 'runs/**'" in text[text.index("always {") :]
    assert set(scripts) == {"'"}  # in double quotes Groovy would put the parameter into the script
    assert text.index("stage('Certify')") < text.index("stage('Upgrade')")
