"""Requirements that are out of step are found, each kind by its name."""

from collections.abc import Mapping

import pytest
from packaging.requirements import Requirement

from local.gates.requirements import Installed, besides, differences, faults, groups

HASH = f" \\\n    --hash=sha256:{'0' * 64}"
LOCK = f"# made by uv\ngarlic==2.1{HASH}{HASH}\n    # via onion\nonion==1.0{HASH}\n    # via the project\n"
KITCHEN = {"onion": Installed("1.0", ("garlic>=2,<3",)), "garlic": Installed("2.1")}


def found(
    lock: str = LOCK, *, wanted: tuple[str, ...] = ("onion<2",), kitchen: Mapping[str, Installed] = KITCHEN
) -> list[str]:
    return list(faults("r.txt", lock, wanted=map(Requirement, wanted), environment=kitchen))


def test_requirements_in_step_have_no_fault() -> None:
    assert found() == []


@pytest.mark.parametrize("wanted", ["onion>=1.5", "onion==1.0.1", "Onion!=1.0"])
def test_a_version_outside_of_the_range_is_found(wanted: str) -> None:
    assert found(wanted=(wanted,)) == [f"r.txt: pyproject.toml wants {wanted}, locked is 1.0: run make lock"]


def test_what_is_wanted_and_not_locked_is_found() -> None:
    assert found(wanted=("onion<2", "leek")) == [
        "r.txt: pyproject.toml wants leek, which is not locked: run make lock"
    ]


def test_what_is_locked_and_no_longer_wanted_is_found() -> None:
    assert found(wanted=("garlic",)) == ["r.txt: onion==1.0 is wanted by nothing: run make lock"]


def test_what_another_package_needs_is_held_to_its_range_as_well() -> None:
    kitchen = {**KITCHEN, "onion": Installed("1.0", ("garlic>=3",))}

    assert found(kitchen=kitchen) == ["r.txt: onion wants garlic>=3, locked is 2.1: run make lock"]


def test_what_is_locked_in_one_version_and_installed_in_another_is_found() -> None:
    assert found(kitchen={**KITCHEN, "garlic": Installed("2.2")}) == [
        "r.txt: garlic==2.1 is locked, installed is 2.2"
    ]


@pytest.mark.parametrize(
    "line",
    [
        "leek",
        "leek==1.0",
        f"leek>=1.0{HASH}",
        f"leek==1.*{HASH}",
        f"leek==1.0,<2{HASH}",
        f"leek{HASH}",
        "leek==1.0 --hash=sha256:0123",
        "leek==1.0 --hash=md5:" + "0" * 32,
        "leek @ file:///tmp/leek.whl",
        "-e ./leek",
        "--no-index",
    ],
)
def test_a_requirement_without_its_version_and_hash_is_found(line: str) -> None:
    assert any("is not name==version with its hashes" in fault for fault in found(f"{LOCK}{line}\n"))


def test_an_extra_is_wanted_only_with_what_asks_for_it() -> None:
    kitchen = {**KITCHEN, "onion": Installed("1.0", ("garlic>=3 ; extra == 'spicy'",))}

    assert found(wanted=("onion", "garlic"), kitchen=kitchen) == []
    assert found(wanted=("onion[spicy]",), kitchen=kitchen) == [
        'r.txt: onion wants garlic>=3; extra == "spicy", locked is 2.1: run make lock'
    ]


def test_what_another_machine_needs_is_wanted_and_not_missed_here() -> None:
    lock = f"{LOCK}leek==1.0 ; sys_platform == 'win32'{HASH}\n"
    kitchen = {**KITCHEN, "garlic": Installed("2.1", ("leek<2 ; sys_platform == 'win32'",))}

    assert found(lock, kitchen=kitchen) == []
    assert found(lock) == ["r.txt: leek==1.0 is wanted by nothing: run make lock"]


def test_what_is_shipped_in_another_version_than_it_is_tested_in_is_found() -> None:
    assert list(differences(f"onion==1.1{HASH}\n", LOCK)) == [
        "layers/dependencies/requirements.txt: onion==1.1 is shipped, 1.0 is tested"
    ]


def test_each_group_has_a_lock_and_what_is_shipped_is_tested() -> None:
    project = {
        "project": {"dependencies": ["onion"]},
        "dependency-groups": {"cli": ["leek"], "dev": [{"include-group": "cli"}, "garlic"], "sam": ["salt"]},
    }

    read = {lock: sorted(one.name for one in wanted) for lock, wanted in groups(project).items()}

    assert read == {
        "layers/dependencies/requirements.txt": ["onion"],
        "requirements/dev.txt": ["garlic", "leek", "onion"],
        "requirements/sam.txt": ["salt"],
    }


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("functions/preflight/requirements.txt", "onion\n"),
        ("requirements-dev.txt", "onion\n"),
        ("setup.py", ""),
        ("layers/dependencies/Makefile", "build:\n\tpip install -r requirements.txt\n"),
        ("Makefile", "install:\n\tpip install --quiet uv onion\n"),
        (".github/workflows/check.yml", "      - run: python3 -m pip install onion\n"),
    ],
)
def test_what_would_be_installed_besides_is_found(path: str, text: str) -> None:
    assert list(besides({path: text})) != []


def test_what_is_installed_by_its_hash_is_left_alone() -> None:
    command = "pip install --quiet \\\n\t--require-hashes -r requirements.txt && pip list"

    assert list(besides({"Makefile": f"install:\n\t{command}\n\tpip install --quiet uv\n"})) == []
    assert list(besides({"docs/a.md": "pip install cryptography"})) == []
