"""Find the interpreters of other Pythons, behind pyenv too.

A Python that is too old imports this on its way to being told so: what it does not know
of annotations stands in quotes.
"""

import os
import shutil
from pathlib import Path


def interpreter(version: str) -> "str | None":
    """The newest pyenv interpreter of this version, else what the path has, if any."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [
        *root.glob(f"versions/{version}/bin/python"),
        *root.glob(f"versions/{version}.*/bin/python"),
    ]
    if found:
        return str(max(found, key=patch_of))
    return shutil.which(f"python{version}")


def patch_of(python: Path) -> "tuple[int, ...]":
    """The version of a pyenv interpreter, from its folder's name."""
    return tuple(int(n) for n in python.parts[-3].split(".") if n.isdigit())
