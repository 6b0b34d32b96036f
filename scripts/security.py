"""What is known to be wrong with the code and with what it is built on.

``security.py code`` runs bandit over src. A finding counts unless its lines bear the
``noqa`` with a reason that ruff asks for: ruff's S310 is bandit's B310.

``security.py dependencies`` asks pip-audit about all that the package installs, with
its extras. A dependency that could not be asked about is named and counts as a failure:
an audit of nothing is none. SECURITY_OFFLINE=1 says that this is known; then it is
named only. Without an argument both are done.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
PACKAGE = "sluiceway"
EXTRAS = ("bench", "flext", "grpc", "rich", "uvloop")
NO_FINDING = {
    "B101": "asserts are for type narrowing",
    "B404": "what a subprocess is given is looked at where it is started",
}
EXPLAINED = re.compile(r"noqa:[^#\n]*\bS(\d{3})\b")
OFFLINE = "SECURITY_OFFLINE"
SECONDS = 300


def main() -> None:
    """Do what the command line says; exit with the number of what failed."""
    checks = {"code": code, "dependencies": dependencies}
    wanted = sys.argv[1:] or [*checks]
    sys.exit(sum([not checks[name]() for name in wanted]))


def code() -> bool:
    """Whether bandit finds nothing that nobody has explained."""
    report = asked(
        sys.executable, "-m", "bandit", "-q", "-f", "json", "-r", str(SOURCE)
    )
    if report is None:
        return False
    open_ = [each for each in report["results"] if not is_explained(each)]
    for each in open_:
        where = Path(each["filename"]).relative_to(ROOT)
        print(f"{where}:{each['line_number']}: {each['test_id']} {each['issue_text']}")
    files = len(report["metrics"]) - 1  # one is for all of them
    print(f"security: {files} files read by bandit, {len(open_)} open findings")
    return files > 0 and not open_ and not report["errors"]


def is_explained(finding: dict[str, Any]) -> bool:
    """Whether somebody has said at the place why it is no danger."""
    if finding["test_id"] in NO_FINDING:
        return True
    lines = Path(finding["filename"]).read_text(encoding="utf-8").splitlines()
    numbers = [finding["line_number"], *finding["line_range"]]
    words = "\n".join(lines[number - 1] for number in numbers)
    return finding["test_id"][1:] in EXPLAINED.findall(words)


def dependencies() -> bool:
    """Whether no dependency has a known vulnerability."""
    pinned = sorted(f"{name}=={found}" for name, found in installed().items())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text("\n".join(pinned))
        options = ("--no-deps", "--disable-pip", "--progress-spinner", "off")
        report = asked(
            *(sys.executable, "-m", "pip_audit", "-f", "json", *options),
            *("-r", str(file)),
        )
    if report is None:
        return excused("pip-audit reached no database", [])
    return judged(report["dependencies"])


def judged(told: Iterable[dict[str, Any]]) -> bool:
    """Whether what was told of each dependency is good, and something was told."""
    told = list(told)
    skipped = [each for each in told if "skip_reason" in each]
    flaws = [(each, flaw) for each in told for flaw in each.get("vulns", ())]
    for each, flaw in flaws:
        cure = ", ".join(flaw["fix_versions"]) or "none yet"
        name = f"{each['name']} {each['version']}"
        print(f"{name}: {flaw['id']}, fixed in: {cure}")
    asked_about = len(told) - len(skipped)
    print(f"security: {asked_about} dependencies audited, {len(flaws)} vulnerabilities")
    good = not flaws and bool(told)
    if skipped:
        reason = f"{len(skipped)} of {len(told)} dependencies are in no database"
        good = excused(reason, skipped) and good
    return good


def excused(reason: str, skipped: Iterable[dict[str, Any]]) -> bool:
    """Whether a gap in the audit, which is named, is known to whoever runs it."""
    print(f"NOT AUDITED: {reason}")
    for each in skipped:
        print(f"  {each['skip_reason']}")
    is_known = os.environ.get(OFFLINE) == "1"
    if not is_known:
        print(f"NOT AUDITED counts as a failure; {OFFLINE}=1 says that it is known")
    return is_known


def installed() -> dict[str, str]:
    """The version of each distribution that the package needs, with all extras."""
    found: dict[str, str] = {}
    open_ = [f"{PACKAGE}[{','.join(EXTRAS)}]"]
    while open_:
        requirement = Requirement(open_.pop())
        for text in needs(requirement):
            name = canonicalize_name(Requirement(text).name)
            try:
                number = version(name)
            except PackageNotFoundError:  # of an extra that is not installed here
                continue
            if name not in found:
                found[name] = number
                open_.append(text)
    return found


def needs(requirement: Requirement) -> list[str]:
    """What a distribution requires here, with the extras that are asked for."""
    places = [{"extra": extra} for extra in ("", *requirement.extras)]
    found = []
    for text in requires(requirement.name) or ():
        marker = Requirement(text).marker
        if marker is None or any(marker.evaluate(place) for place in places):
            found.append(text)
    return found


def asked(*command: str) -> Any:
    """What a command says as JSON, whatever its exit code; None if it says nothing."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"security: {command[2]}: {error}")
        return None
    try:
        return json.loads(done.stdout)
    except ValueError:
        words = (done.stderr or done.stdout).strip().splitlines()
        print(f"security: {command[2]}: {words[-1] if words else 'it said nothing'}")
        return None


if __name__ == "__main__":
    main()
