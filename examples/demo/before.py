"""Check before the demo: prints what it does, and ends it if this Python cannot run it.

`python -m examples.demo.before [FOLDER_OF_THE_ENVIRONMENT]`, before anything is installed: only
the standard library, and syntax that old Pythons read.
"""

import sys

LOWEST, HIGHEST = (3, 10), (3, 12)

SENTENCES = """\
The demo runs a real VOLTTRON platform with simulated charging stations. An agent limits the
busiest port, waits and releases it. The demo ends after about 40 seconds. The first run installs
Python packages, which takes one to two minutes more.
"""


def fault(version, program):
    """Return why a Python cannot run the demo; None when it can. `version`: like (3, 11)."""
    found = f"{version[0]}.{version[1]}"
    if tuple(version[:2]) < LOWEST:
        why = "the package needs Python 3.10 or newer"
    elif tuple(version[:2]) > HIGHEST:
        why = (
            "VOLTTRON's message bus needs gevent 24, which has no build for it; "
            "the simulator, the commands and the page run: make test, chargepoint-driver sim"
        )
    else:
        return None
    return (
        f"demo: {program} is Python {found}: {why}. Run the demo with 3.10, 3.11 or 3.12: "
        "make demo PYTHON=python3.11 VENV=.venv-demo"
    )


def main():
    """Print what the demo does. The exit code is 2 when this Python cannot run it."""
    wrong = fault(sys.version_info, sys.executable)
    if wrong is not None:
        sys.stderr.write(wrong + "\n")
        return 2
    sys.stdout.write(SENTENCES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
