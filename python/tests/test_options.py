"""Every option of the command line is an argument, or named here with the reason why not."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
from conftest import program

import lutra

SAVED = "`save` of the result writes it"
RUN_FILE = "a configuration is a file of these arguments"
PRINTED = "of a terminal: a result is data"

#: The function of each command; several where a command answers several questions.
FUNCTIONS: dict[str, list[Callable[..., Any]]] = {
    "demo": [lutra.demo],
    "dose": [lutra.dose],
    "merge": [lutra.merge],
    "tia": [lutra.tia],
    "course": [lutra.course],
    "inspect": [lutra.inspect],
    "audit": [lutra.audit],
    "compare": [lutra.compare],
    "register": [lutra.register],
    "kernel": [lutra.kernel],
    "dpk": [lutra.point_kernel],
    "svalue": [lutra.svalue],
    "devices": [lutra.devices],
    "parity": [lutra.parity],
    "bench": [lutra.bench],
    "validate": [lutra.validate],
    "init": [lutra.init],
}

#: Commands that are no functions: `python -m lutra` runs them.
COMMANDS = {
    "calibrate": "a site's work on files, once a camera; its file is an input of the series",
    "kinetics": "lists and learns priors as files, which a series names",
    "marrow": "reads the folder of a finished dose and a file of what is stated",
    "verify": "a site's installation test with its record and page",
    "serve": "a server of a page",
    "completions": "of a shell",
    "man": "pages of a manual",
}

#: Options by another name: (command or "", option): argument.
NAMES = {
    ("", "effective_half_life"): "effective_half_life_h",
    ("", "half_life"): "half_life_h",
    ("", "density"): "density_g_cm3",
    ("", "tolerance"): "tolerance_rel",
    ("", "source_label"): "source_labels",
    ("", "fact"): "facts",
    ("", "kernel"): "kernels",
    ("", "kernel_density"): "kernel_density_g_cm3",
    ("", "s_table"): "s_tables",
    ("register", "mask"): "labels",
    ("audit", "out"): "folder",
    ("compare", "out"): "folder",
    ("register", "out"): "folder",
    ("bench", "out"): "folder",
    ("validate", "out"): "folder",
    ("parity", "out"): "path",
}

#: What no function takes, and why: (command or "", option).
LEFT_OUT = {
    ("", "quiet"): PRINTED,
    ("", "json"): PRINTED,
    ("", "help"): PRINTED,
    ("", "config"): RUN_FILE,
    ("", "shard"): "`lutra.shard`",
    ("demo", "out"): SAVED,
    ("demo", "practice"): "`lutra.practice_patient`",
    ("dose", "out"): SAVED,
    ("dose", "dicom"): SAVED,
    ("dose", "deidentify"): SAVED,
    ("dose", "dicom_pictures"): SAVED,
    ("dose", "dicom_bits"): SAVED,
    ("merge", "out"): SAVED,
    ("merge", "force"): SAVED,
    ("tia", "out"): SAVED,
    ("tia", "force"): SAVED,
    ("course", "out"): SAVED,
    ("course", "force"): SAVED,
    ("course", "dicom"): SAVED,
    ("course", "deidentify"): SAVED,
    ("course", "dicom_pictures"): SAVED,
    ("course", "dicom_bits"): SAVED,
    ("course", "protocols"): "`lutra.protocols`",
    ("course", "simulate"): "`lutra.cohort`",
    ("course", "patients"): "`lutra.cohort`",
    ("kernel", "out"): SAVED,
    ("kernel", "force"): SAVED,
    ("dpk", "out"): SAVED,
    ("svalue", "out"): "the rows are the result",
    ("svalue", "force"): "the rows are the result",
    ("parity", "scene"): "`ct` and `decays`; without them the demo",
    ("bench", "scene"): "without files the demo is measured",
    ("bench", "scaling"): "`grids` ask for it",
}


def helped(*command: str) -> str:
    done = program(*command, "--help")
    assert done.returncode == 0, done.stderr
    return done.stdout


def under(text: str) -> str:
    """The list of commands in a help."""
    return text.partition("Commands:")[2].partition("Options:")[0]


def commands() -> list[str]:
    return [name for name in re.findall(r"^  ([a-z]+) ", under(helped()), re.M) if name != "help"]


def options(command: str) -> set[str]:
    """Long options of a command, those of its subcommands too, with ``_`` for ``-``."""
    text = helped(command)
    parts = [name for name in re.findall(r"^  ([a-z]+) ", under(text), re.M) if name != "help"]
    text += "".join(helped(command, part) for part in parts)
    return {name.replace("-", "_") for name in re.findall(r"^ +(?:-[a-zA-Z], )?--([a-z0-9-]+)", text, re.M)}


def missing(command: str, taken: set[str]) -> set[str]:
    """Options that no argument stands for and that are not left out with a reason."""
    names = {option: NAMES.get((command, option), NAMES.get(("", option), option)) for option in options(command)}
    left_out = {option for where, option in LEFT_OUT if where in ("", command)}
    return {option for option, name in names.items() if not {option, name} & taken and option not in left_out}


def arguments(command: str) -> set[str]:
    return {name for function in FUNCTIONS[command] for name in inspect.signature(function).parameters}


def test_every_command_is_a_function_or_said_to_be_none() -> None:
    assert set(commands()) == set(FUNCTIONS) | set(COMMANDS)


@pytest.mark.parametrize("command", FUNCTIONS)
def test_every_option_is_an_argument(command: str) -> None:
    assert not missing(command, arguments(command)), "give the function these, or name them with the reason"


def test_alarm_an_option_that_is_forgotten_is_found() -> None:
    assert missing("dose", arguments("dose") - {"outline_sharing"}) == {"outline_sharing"}


def test_nothing_is_excused_in_vain() -> None:
    """A reason for an option that is gone, or that has become an argument, is out of date."""
    for command, option in LEFT_OUT:
        if command:
            assert option in options(command) and option not in arguments(command), (command, option)
    for (command, option), name in NAMES.items():
        for one in [command] if command else [one for one in FUNCTIONS if option in options(one)]:
            assert {name, option} & arguments(one), (one, option, name)
