"""Licences that nobody has agreed to are found, and so are exemptions that nobody needs."""

import pytest

from local.gates.licences import EXEMPT, Exempt, faults, idle, is_free, stated, strangers

LOCK = f"onion==1.0 --hash=sha256:{'0' * 64}\n"


@pytest.mark.parametrize(
    "licence",
    [
        "MIT",
        "Apache-2.0 OR BSD-3-Clause",
        "GPL-2.0-only OR MIT",
        "MPL-2.0 AND (Apache-2.0 OR MIT)",
        "MIT AND (GPL-3.0-only OR (BSD-2-Clause AND Zlib))",
        "Apache Software License; BSD License",
    ],
)
def test_a_licence_of_which_a_free_side_can_be_taken_is_free(licence: str) -> None:
    assert is_free(licence)


@pytest.mark.parametrize(
    "licence",
    [
        "GPL-3.0-only",
        "AGPL-3.0-or-later",
        "LGPL-2.1-only",
        "SSPL-1.0",
        "UNKNOWN",
        "MIT AND GPL-3.0-only",
        "MIT AND (GPL-3.0-only OR LGPL-3.0-only)",
        "GNU General Public License v3 (GPLv3)",
        "BSD License; GNU General Public License (GPL)",
        "Apache-2.0 WITH a-rule-of-our-own",
    ],
)
def test_any_other_licence_is_found(licence: str) -> None:
    assert list(faults("r.txt", LOCK, {"onion": licence}, exempt={})) == [
        f"r.txt: onion==1.0: its licence, {licence}, is not known to be free"
    ]


def test_an_exemption_is_for_the_licence_that_was_looked_at() -> None:
    exempt = {"onion": Exempt("GPL-3.0-only", "peeled alone")}

    assert list(faults("r.txt", LOCK, {"onion": "GPL-3.0-only"}, exempt=exempt)) == []
    assert list(faults("r.txt", LOCK, {"onion": "AGPL-3.0-only"}, exempt=exempt)) != []


def test_an_exemption_that_nothing_needs_is_found() -> None:
    (fault,) = idle({"onion": {"MIT"}}, {"onion": Exempt("GPL-3.0-only", "peeled alone")})

    assert fault.startswith("onion: exempt with 'GPL-3.0-only', which nothing here has")


def test_what_was_installed_without_a_lock_is_found_if_it_is_not_free() -> None:
    assert list(strangers(".venv", {"leek": "MIT", "salt": "GPL-3.0-only"}, [LOCK])) == [
        ".venv: salt: its licence, GPL-3.0-only, is not known to be free, and no lock names it"
    ]


@pytest.mark.parametrize(
    ("expression", "classifier", "metadata", "licence"),
    [
        ("MIT", "GNU General Public License (GPL)", "GPL", "MIT"),
        ("UNKNOWN", "BSD License", "see LICENSE", "BSD License"),
        ("UNKNOWN", "UNKNOWN", "GPL-3.0", "GPL-3.0"),
        ("UNKNOWN", "UNKNOWN", "License", "UNKNOWN"),
    ],
)
def test_a_licence_is_what_states_it_best(
    expression: str, classifier: str, metadata: str, licence: str
) -> None:
    package = {
        "License-Expression": expression,
        "License-Classifier": classifier,
        "License-Metadata": metadata,
    }

    assert stated(package) == licence


def test_every_exemption_says_why() -> None:
    assert [name for name, one in EXEMPT.items() if len(one.reason.split()) < 5] == []
