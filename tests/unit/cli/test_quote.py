"""`holdfast quote`: the numbers follow from counted units, and every assumption is shown."""

import json
import re

import pytest
from typer.testing import CliRunner

from cli.exits import Exit
from cli.failures import NotConnected
from cli.main import app
from cli.quote import MONTHLY, PROTECTION_CAP, Units, dollars, hours, platform_calls
from tests.fakes.house import MATTER, House
from tests.fakes.story import reconciled
from tests.unit.cli.deployment import run


def test_a_million_objects_of_a_megabyte_cost_what_was_counted() -> None:
    """$11.96 were counted for securing them; half are sidecars here, so the media have twice the size."""
    priced = dollars(Units(conversations=500_000, recordings=500_000, bytes_per_recording=2e6))

    securing = sum(priced[name] for name in ("lock, tag, read", "receipts", "functions"))

    assert securing == pytest.approx(11.96, rel=0.05)


def test_everything_grows_with_the_scope_and_nothing_is_negative() -> None:
    one, ten = (Units(n, 2 * n, 1e6, recordings_per_hour=500) for n in (10_000, 100_000))

    for priced in (dollars, hours, platform_calls):
        small, large = ({name: value or 0 for name, value in priced(units).items()} for units in (one, ten))
        assert all(0 < small[name] <= large[name] for name in small), priced


def test_watching_grows_with_the_objects_and_is_no_part_of_what_is_paid_once() -> None:
    """A pass over the receipts of a million versions is under two dollars, and there are thirty a month."""
    units = Units(500_000, 500_000, 1e6)

    priced = dollars(units)

    sweeps = 720 * (1_000 * 5e-6 + 500_000 * 0.125e-6)
    assert priced["watching per month"] - sweeps == pytest.approx(30 * 0.925)
    shown = CliRunner().invoke(app, ["quote", "--conversations", "500000", "--json"], obj=lambda *_: House())
    told = json.loads(shown.stdout)
    assert told["dollars_per_month"] == pytest.approx(
        sum(told["dollars"][name] for name in MONTHLY), abs=0.01
    )
    assert told["dollars_once"] == pytest.approx(
        sum(amount for name, amount in told["dollars"].items() if name not in MONTHLY), abs=0.01
    )


def test_protection_is_asked_for_up_to_the_cap_alone() -> None:
    calls = platform_calls(Units(100 * PROTECTION_CAP, 1, 1))

    assert calls["protect and read back"] == 2 * PROTECTION_CAP // 100


def test_a_quote_needs_no_stack_and_marks_what_is_assumed() -> None:
    def nothing_there(*_: object) -> None:
        raise NotConnected("no stack")

    shown = CliRunner(env={"COLUMNS": "200"}).invoke(
        app, ["quote", "--conversations", "50000"], obj=nothing_there
    )

    assert shown.exit_code == Exit.DONE
    assert "50,000 conversations, 55,000 recordings" in shown.stdout
    assert "1.1 recordings (assumed)" in shown.stdout
    assert "1 MB (assumed)" in shown.stdout
    assert "The vendor publishes no speed of exports" in shown.stdout


def test_what_costs_less_than_a_cent_does_not_cost_nothing() -> None:
    shown = CliRunner().invoke(
        app, ["quote", "--conversations", "1", "--recordings", "0"], obj=lambda *_: House()
    )

    assert "< 0.01" in shown.stdout
    assert re.search(r"receipts +0\.00", shown.stdout)


def test_a_stack_that_was_named_must_be_there() -> None:
    def nothing_there(*_: object) -> None:
        raise NotConnected("no stack")

    asked = ["quote", "--conversations", "5", "--stack", "gone"]

    assert CliRunner().invoke(app, asked, obj=nothing_there).exit_code == Exit.NOT_CONNECTED


def test_what_is_given_is_used() -> None:
    asked = ["--conversations", "1000", "--recordings", "3000", "--mb-per-recording", "5"]

    shown = run(House(), "quote", *asked, "--recordings-per-hour", "1500")

    assert shown.document["recordings"] == 3000
    assert shown.document["stored_gb"] == pytest.approx(15.006)
    assert shown.document["hours"]["export by the vendor"] == 2.0  # one job, so one slot
    assert shown.document["hours_at_least"] == 2.0
    assert shown.document["assumptions"]["mb per recording"] == "5 MB (given)"


def test_ratios_sizes_and_speed_are_counted_in_an_earlier_matter() -> None:
    house = reconciled(1, 2)

    shown = run(house, "quote", "--like", MATTER, "--conversations", "1000")

    assumptions = shown.document["assumptions"]
    assert assumptions["recordings per conversation"] == f"1 recordings (counted in {MATTER})"
    assert assumptions["recordings per hour"] == f"12 recordings an hour and job (counted in {MATTER})"
    assert assumptions["mb per recording"] == f"5e-06 MB (counted in {MATTER})"
    assert shown.document["recordings"] == 1000


def test_as_large_as_an_earlier_matter() -> None:
    assert run(reconciled(1, 2), "quote", "--like", MATTER).document["conversations"] == 2


def test_a_scope_of_unknown_size_has_no_quote() -> None:
    shown = run(House(), "quote")

    assert shown.exit_code == Exit.REFUSED
    assert "--conversations NUMBER" in shown.errors


def test_an_unknown_matter_is_like_nothing() -> None:
    assert run(House(), "quote", "--like", "M-404").exit_code == Exit.NOT_FOUND
