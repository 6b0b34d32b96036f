"""The headless browser that looks at pages: Chromium, fetched or the system's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from servers.processes import FETCHED, missing

PACKAGE = "chromium-headless-shell"
SYSTEMS = (PACKAGE, "chromium", "chromium-browser", "google-chrome")
LIBRARIES = (
    "usr/lib/*-linux-gnu*",
    "usr/lib/*-linux-gnu*/pulseaudio",
    "lib/*-linux-gnu*",
)
SECONDS = 50.0


def dom_of(page: Path, folder: Path, *options: str) -> tuple[str, str]:
    """A page's document once its scripts have run, and what the browser logged.

    Without a browser the test is skipped, or fails where CI says so.
    """
    browser, environment = require_browser()
    words = [
        str(browser),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--enable-logging=stderr",
        f"--user-data-dir={folder}",
        *options,
        "--dump-dom",
        page.as_uri(),
    ]
    done = subprocess.run(
        words,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        missing(f"{browser} does not start: {done.stderr.strip()[-200:]}")
    return done.stdout, done.stderr


def require_browser() -> tuple[Path, dict[str, str]]:
    """The program, and the environment in which it finds the libraries beside it."""
    root = FETCHED / PACKAGE
    fetched = root / "usr" / "lib" / "chromium" / PACKAGE
    if fetched.exists():
        libraries = [path for where in LIBRARIES for path in root.glob(where)]
        path = ":".join(map(str, libraries))
        return fetched, {**os.environ, "LD_LIBRARY_PATH": path}
    found = next(filter(None, map(shutil.which, SYSTEMS)), None)
    if found is None:
        missing(f"server {PACKAGE} is not here: run `make servers`")
    return Path(found), dict(os.environ)
