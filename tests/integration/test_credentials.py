"""The shared token and the OAuth client, on DynamoDB, KMS and Secrets Manager as moto plays them."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event, Lock
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from holdfast.aws.credentials import SecretCredentials, TokenTable
from holdfast.aws.table import Table
from holdfast.errors import SettingsInvalid
from holdfast.genesys.token import LEASE, AccessToken, TokenSource, TokenStore
from tests.fakes.clock import NOON, HandDrivenClock
from tests.unit.genesys.doubles import LOGIN, Sleeper, a_token, issuing
from tests.unit.genesys.token_store_contract import TokenStoreContract

CANARY = "bearer-canary-9Zq"
REGION = "eu-central-1"
SESSION: Any = botocore.session.get_session()  # shared: it reads the services' descriptions once


class OneAtATime:
    """A client whose calls wait for one another: DynamoDB writes an item at a time, moto two at once."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._lock = Lock()

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            with self._lock:
                return getattr(self._client, operation)(**arguments)

        return call


class Account:
    """An AWS account with what the stack gives to credentials."""

    def __init__(self) -> None:
        self.dynamodb: Any = OneAtATime(SESSION.create_client("dynamodb", region_name=REGION))
        self.kms: Any = OneAtATime(SESSION.create_client("kms", region_name=REGION))
        self.secrets: Any = OneAtATime(SESSION.create_client("secretsmanager", region_name=REGION))
        self.key_id = self.kms.create_key()["KeyMetadata"]["Arn"]
        names = ("pk", "sk")
        self.dynamodb.create_table(
            TableName="credentials",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=[
                {"AttributeName": name, "KeyType": kind}
                for name, kind in zip(names, ("HASH", "RANGE"), strict=True)
            ],
        )

    def store(self) -> TokenTable:
        return TokenTable(Table(self.dynamodb, "credentials"), self.kms, key_id=self.key_id)

    def items(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.dynamodb.scan(TableName="credentials")["Items"]
        return found

    def credentials(self, text: str | None = None, binary: bytes | None = None) -> SecretCredentials:
        given = {"SecretString": text} if binary is None else {"SecretBinary": binary}
        arn = self.secrets.create_secret(Name="genesys", **given)["ARN"]
        return SecretCredentials(self.secrets, secret_arn=arn)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield Account()


# --- the token table


class TestTokenTable(TokenStoreContract):
    @pytest.fixture
    def store(self, account: Account) -> TokenStore:
        return account.store()


def test_the_table_holds_one_item_whatever_happens(account: Account) -> None:
    store = account.store()

    for generation in range(3):
        store.lease(generation, NOON, NOON + LEASE)
        store.write(a_token(generation))

    assert len(account.items()) == 1


def test_what_is_stored_does_not_contain_the_token(account: Account) -> None:
    account.store().write(a_token(value=CANARY))

    (item,) = account.items()
    assert CANARY not in json.dumps(item)
    assert CANARY.encode() not in b64decode(item["ciphertext"]["S"])


def test_the_ciphertext_opens_only_with_the_context_it_was_closed_with(account: Account) -> None:
    account.store().write(a_token(value=CANARY))
    blob = b64decode(account.items()[0]["ciphertext"]["S"])

    with pytest.raises(ClientError, match="InvalidCiphertext"):
        account.kms.decrypt(CiphertextBlob=blob)
    with pytest.raises(ClientError, match="InvalidCiphertext"):
        account.kms.decrypt(CiphertextBlob=blob, EncryptionContext={"purpose": "something-else"})
    opened = account.kms.decrypt(CiphertextBlob=blob, EncryptionContext={"purpose": "genesys-token"})
    assert opened["Plaintext"] == CANARY.encode()


def test_a_token_is_closed_with_the_stacks_own_key(account: Account) -> None:
    account.store().write(a_token())
    blob = b64decode(account.items()[0]["ciphertext"]["S"])

    opened = account.kms.decrypt(CiphertextBlob=blob, EncryptionContext={"purpose": "genesys-token"})

    assert opened["KeyId"] == account.key_id


def test_times_keep_their_milliseconds(account: Account) -> None:
    token = a_token(life=timedelta(seconds=300, milliseconds=7))

    account.store().write(token)

    assert account.store().read() == token


@pytest.mark.parametrize("rejected", [None, a_token(4)])
def test_many_functions_with_one_table_fetch_one_token(
    account: Account, rejected: AccessToken | None
) -> None:
    was_written = Event()

    class AnnouncingTable(TokenTable):
        def write(self, token: AccessToken) -> None:
            super().write(token)
            was_written.set()

    store = AnnouncingTable(Table(account.dynamodb, "credentials"), account.kms, key_id=account.key_id)
    if rejected:
        account.store().write(rejected)
    credentials = account.credentials('{"client_id": "c", "client_secret": "s"}')
    login, wait = issuing(), Sleeper(meanwhile=lambda: was_written.wait(30))
    functions = [
        TokenSource(store, credentials, login.client(LOGIN), HandDrivenClock(), wait, chance=lambda: 0.0)
        for _ in range(20)
    ]

    with ThreadPoolExecutor(20) as pool:
        found = set(pool.map(lambda one: one.replace(rejected) if rejected else one.token(), functions))

    assert [(token.generation, token.secret) for token in found] == [(5 if rejected else 0, "token-1")]
    assert len(login.requests) == 1


# --- the OAuth client


def test_the_client_is_read(account: Account) -> None:
    found = account.credentials('{"client_id": "id-1", "client_secret": "s3cret", "more": 1}')()

    assert (found.client_id, found.client_secret) == ("id-1", "s3cret")


def test_a_rotated_secret_is_read_the_next_time(account: Account) -> None:
    credentials = account.credentials('{"client_id": "c", "client_secret": "old"}')
    credentials()

    account.secrets.put_secret_value(
        SecretId="genesys", SecretString='{"client_id": "c", "client_secret": "new"}'
    )

    assert credentials().client_secret == "new"


def test_a_secret_that_is_only_being_prepared_is_not_read(account: Account) -> None:
    credentials = account.credentials('{"client_id": "c", "client_secret": "old"}')
    before = credentials()
    account.secrets.put_secret_value(
        SecretId="genesys",
        SecretString='{"client_id": "c", "client_secret": "new"}',
        VersionStages=["AWSPENDING"],
    )

    assert credentials() == before


def test_another_version_of_the_secret_is_told_apart(account: Account) -> None:
    text = '{"client_id": "c", "client_secret": "s"}'
    credentials = account.credentials(text)
    before = credentials()

    account.secrets.put_secret_value(SecretId="genesys", SecretString=text)

    assert credentials().version != before.version


@pytest.mark.parametrize(
    "text",
    [
        "s3cret",
        '"s3cret"',
        '["s3cret", "s3cret"]',
        "{}",
        '{"client_secret": "s3cret"}',
        '{"client_id": "", "client_secret": "s3cret"}',
        '{"client_id": "c", "client_secret": ""}',
        '{"client_id": "c", "client_secret": null}',
        '{"client_id": "c", "client_secret": ["s3cret"]}',
        '{"client_id": 7, "client_secret": "s3cret"}',
        '{"client_id": "c", "client_secret": "s3cret"',
    ],
)
def test_a_bad_secret_is_named_without_its_value(account: Account, text: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"the Genesys secret: expected .\"client_id\"") as invalid:
        account.credentials(text)()

    assert "s3cret" not in str(invalid.value)


def test_a_binary_secret_is_a_bad_secret(account: Account) -> None:
    with pytest.raises(SettingsInvalid, match="the Genesys secret"):
        account.credentials(binary=b"s3cret")()
