"""The command line inside this process: what it exits with, and what it says."""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from sluiceway.cli import main


def said(*words):
    """The exit code, what stands in the output, and what among the errors."""
    output, errors = StringIO(), StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        try:
            code = main(words)
        except SystemExit as end:
            code = end.code
    return code, output.getvalue().strip(), errors.getvalue().strip()
