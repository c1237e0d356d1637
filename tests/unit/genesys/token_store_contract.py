"""What every token store keeps; the memory's and the real one pass the same tests."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from holdfast.genesys.token import LEASE, Failure, TokenStore
from tests.fakes.clock import NOON
from tests.unit.genesys.doubles import a_token

LATER = NOON + LEASE
PAUSE = Failure("CredentialsRefused", LATER, 3, "version-1")


class TokenStoreContract:
    def test_an_empty_store_has_no_token(self, store: TokenStore) -> None:
        assert store.read() is None

    def test_a_token_is_read_as_it_was_written(self, store: TokenStore) -> None:
        token = a_token(3)

        store.write(token)

        assert store.read() == token

    def test_a_lease_is_taken_once(self, store: TokenStore) -> None:
        assert store.lease(0, NOON, LATER)

        assert not store.lease(0, NOON, LATER)
        assert not store.lease(1, NOON, LATER)

    def test_a_lease_alone_is_no_token(self, store: TokenStore) -> None:
        store.lease(0, NOON, LATER)

        assert store.read() is None

    def test_of_many_at_once_one_gets_the_lease(self, store: TokenStore) -> None:
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: store.lease(0, NOON, LATER), range(50)))

        assert answers.count(True) == 1

    def test_an_expired_lease_can_be_taken_over(self, store: TokenStore) -> None:
        store.lease(0, NOON, LATER)

        assert not store.lease(0, LATER, LATER + LEASE)
        assert store.lease(0, LATER + timedelta(milliseconds=1), LATER + LEASE)

    def test_a_lease_given_up_can_be_taken(self, store: TokenStore) -> None:
        store.lease(0, NOON, LATER)

        store.end_lease(0)

        assert store.lease(0, NOON, LATER)

    def test_a_lease_on_another_generation_is_not_given_up(self, store: TokenStore) -> None:
        store.lease(1, NOON, LATER)

        store.end_lease(0)

        assert not store.lease(1, NOON, LATER)

    def test_giving_up_what_was_never_taken_changes_nothing(self, store: TokenStore) -> None:
        store.end_lease(0)

        assert store.lease(0, NOON, LATER)

    def test_a_generation_that_was_fetched_is_not_fetched_again(self, store: TokenStore) -> None:
        store.lease(0, NOON, LATER)
        store.write(a_token(0))

        assert not store.lease(0, NOON, LATER)
        assert store.lease(1, NOON, LATER)

    def test_writing_a_token_ends_the_lease_and_keeps_the_token_readable_under_the_next(
        self, store: TokenStore
    ) -> None:
        store.lease(0, NOON, LATER)
        store.write(a_token(0))

        store.lease(1, NOON, LATER)

        assert store.read() == a_token(0)

    def test_generations_only_grow(self, store: TokenStore) -> None:
        store.write(a_token(5))

        store.write(a_token(4))
        store.write(a_token(5, value="a latecomer of the same generation"))

        assert store.read() == a_token(5)

    def test_of_many_writers_the_last_generation_stands(self, store: TokenStore) -> None:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda generation: store.write(a_token(generation)), [*range(20), *range(20)]))

        assert store.read() == a_token(19)

    def test_without_a_failure_there_is_none(self, store: TokenStore) -> None:
        store.lease(0, NOON, LATER)

        assert store.failure() is None

    def test_a_failure_is_read_as_it_was_written_and_nobody_gets_the_lease_before_its_time_is_over(
        self, store: TokenStore
    ) -> None:
        store.write(a_token(0))
        store.lease(1, NOON, NOON + LEASE / 2)

        store.put_off(1, PAUSE)

        assert (store.failure(), store.read()) == (PAUSE, a_token(0))
        assert not store.lease(1, LATER, LATER + LEASE)
        assert store.lease(1, LATER + timedelta(milliseconds=1), LATER + LEASE)
        assert store.failure() == PAUSE  # until a token comes of it

    def test_who_has_no_lease_puts_nothing_off(self, store: TokenStore) -> None:
        store.lease(1, NOON, LATER)

        store.put_off(0, PAUSE)

        assert store.failure() is None

    def test_a_token_ends_what_failed_before_it(self, store: TokenStore) -> None:
        store.lease(0, NOON, LATER)
        store.put_off(0, PAUSE)

        store.write(a_token(0))

        assert store.failure() is None

    def test_a_failure_that_is_forgiven_is_gone_with_its_pause(self, store: TokenStore) -> None:
        store.lease(0, NOON, LATER)
        store.put_off(0, PAUSE)

        store.forgive(PAUSE)

        assert store.failure() is None
        assert store.lease(0, NOON, LATER)

    def test_another_failure_is_not_forgiven_and_neither_is_a_neighbours_lease_taken(
        self, store: TokenStore
    ) -> None:
        store.lease(0, NOON, LATER)
        store.put_off(0, PAUSE)

        store.forgive(replace(PAUSE, client="version-0"))
        store.forgive(replace(PAUSE, until=NOON))

        assert store.failure() == PAUSE
        assert not store.lease(0, NOON, LATER)
