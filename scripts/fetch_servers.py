"""Fetch the real servers and the browser that the tests start, and leave the system be.

Each Debian package is downloaded by apt and unpacked into a folder of its own name
below the folder given on the command line; the browser with the libraries that this
system lacks. What cannot be had is named, with the reason, and is no failure: the
tests that need it are skipped by name.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ALONE = ("download",)
WITH_LIBRARIES = ("install", "--yes", "--no-install-recommends", "--download-only")
PACKAGES = {
    "prometheus": ALONE,
    "prometheus-pushgateway": ALONE,
    "prometheus-alertmanager": ALONE,
    "chromium-headless-shell": WITH_LIBRARIES,
}
TOOLS = ("apt-get", "dpkg-deb")
SECONDS = 300
SHARED = b"/usr/share/prometheus/"
BESIDE = b"usr/share//prometheus/"


def main() -> None:
    """Bring the folder named on the command line to hold every package."""
    root = Path(sys.argv[1]).resolve()
    missing = [name for name in PACKAGES if not (root / name).is_dir()]
    if not missing:
        return
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        reasons = dict.fromkeys(
            missing, f"this system has no {' and no '.join(absent)}"
        )
    else:
        reasons = fetch_all(missing, root)
    for name, reason in reasons.items():
        print(f"servers: {name} could not be had: {reason}")
    if reasons:
        print("servers: the tests that need them will be skipped, by name")


def fetch_all(names: list[str], root: Path) -> dict[str, str]:
    """Fetch the packages; why each that is still missing could not be had."""
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=root) as scratch:
        folder = Path(scratch)
        reasons = fetch_each(names, root, folder, [])
        if reasons:
            own = own_lists(folder)
            trouble = run("apt-get", *own, "update", cwd=folder)
            again = fetch_each(list(reasons), root, folder, own)
            reasons = {name: trouble or reason for name, reason in again.items()}
    return reasons


def fetch_each(
    names: list[str], root: Path, folder: Path, options: list[str]
) -> dict[str, str]:
    """Try each package by itself, so that one missing name costs no other."""
    tried = {name: fetch(name, root, folder, options) for name in names}
    return {name: reason for name, reason in tried.items() if reason}


def fetch(name: str, root: Path, folder: Path, options: list[str]) -> str:
    """Download and unpack one package; the reason if that failed, else nothing."""
    work = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
    how, place = PACKAGES[name], option("Dir::Cache::archives", work)
    (work / "partial").mkdir()
    reason = run("apt-get", *polite(folder), *options, *place, *how, name, cwd=work)
    archives = sorted(work.glob("*.deb"))
    if reason or not archives:
        return reason or "apt-get downloaded nothing; it may be installed"
    for archive in archives:
        reason = run("dpkg-deb", "-x", str(archive), str(work / "files"), cwd=work)
        if reason:
            return reason
    relocate(work / "files")
    try:
        # A rename is all or nothing: a folder that exists is complete.
        (work / "files").rename(root / name)
    except OSError as error:
        return "" if (root / name).is_dir() else str(error)
    print(f"servers: {name} is in {root / name}")
    return ""


def relocate(files: Path) -> None:
    """Let the programs find their templates from their own folder as working folder.

    Debian's builds read them from an absolute path that only an installation has, and
    its Alertmanager does not start without. The relative path has the same length,
    so it can stand in its place.
    """
    for program in files.glob("usr/bin/*"):
        code = program.read_bytes() if program.is_file() else b""
        if SHARED in code:
            program.write_bytes(code.replace(SHARED, BESIDE))


def own_lists(folder: Path) -> list[str]:
    """Options that keep package lists of our own, for a system that has none or old."""
    lists = folder / "lists"
    (lists / "partial").mkdir(parents=True)
    return [*polite(folder), "-o", f"Dir::State::Lists={lists}"]


def polite(folder: Path) -> list[str]:
    """Options that write nothing outside ``folder`` and give up in bounded time."""
    cache = folder / "cache"
    (cache / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    settings = {
        "Dir::Cache": cache,
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "true",
        "APT::Update::Error-Mode": "any",
        "Acquire::Retries": 2,
        "Acquire::http::Timeout": 20,
        "Acquire::https::Timeout": 20,
    }
    return ["-q", *(part for pair in settings.items() for part in option(*pair))]


def option(name: str, value: object) -> tuple[str, str]:
    """One setting as apt's command line wants it."""
    return "-o", f"{name}={value}"


def run(*command: str, cwd: Path) -> str:
    """Run a command; its last words if it failed, else nothing."""
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}"
    if done.returncode == 0:
        return ""
    words = (done.stderr or done.stdout).strip().splitlines()
    return f"{command[0]}: {words[-1] if words else f'exit code {done.returncode}'}"


main()
