"""A plugin of pytest: other packages' installed tests, with what `pynonius.familiar` has in place of theirs.

``STAND_IN`` in the environment is a JSON object: ``names`` maps ``module:name`` of the package to the name of ours
(none: the package as it is), and ``report`` is where the outcome of every test that comes to one of them is written:
``passed``, ``failed``, or ``refused`` for one that fails because an option is refused with `pynonius.Error`.
"""

import functools
import importlib
import json
import os
import zlib

import numpy as np
import pytest

import pynonius
import pynonius.familiar

STAND_IN = json.loads(os.environ["STAND_IN"])
outcomes = {}
reached, refused = False, None


def told(function):
    """The same, and it is noted that it was called and what it refused."""

    @functools.wraps(function)
    def call(*arguments, **keywords):
        global reached, refused
        reached = True
        try:
            return function(*arguments, **keywords)
        except pynonius.Error as error:
            refused = str(error)
            raise

    return call


# Before test modules are imported, so that what they import is ours.
for place, name in STAND_IN["names"].items():
    module, _, theirs = place.partition(":")
    package = importlib.import_module(module)
    original = getattr(package, theirs)
    ours = getattr(pynonius.familiar, name) if name else original
    if isinstance(ours, type):
        ours = type(ours.__name__, (ours,), {"fit": told(ours.fit), "__doc__": ours.__doc__})
    else:
        ours = told(ours)
    setattr(package, theirs, ours)


def pytest_runtest_setup(item):
    global reached, refused
    reached, refused = False, None
    # Tests that draw from the global generator meet the same numbers with either function.
    np.random.seed(zlib.crc32(item.name.encode()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if reached and call.when == "call" and report.outcome != "skipped":
        last = [] if report.longrepr is None else str(report.longrepr).splitlines()
        cause = refused or next((line for line in reversed(last) if line.startswith("E ")), "")
        outcome = "refused" if report.failed and refused else report.outcome
        outcomes[item.name] = (outcome, cause if report.failed else "")
    return report


def pytest_sessionfinish():
    with open(STAND_IN["report"], "w") as file:
        json.dump(outcomes, file)
