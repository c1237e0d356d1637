"""Secrets are found in every kind of file, and what is known to be none is known by its very text."""

from hashlib import sha256

import pytest

from local.gates.secrets import Known, digest_of, faults

# What must be found is put together here, so that this file itself is none of it.
LETTERS = "q7Zx" + "P2mV9rT4" + "kLw8NbYs3HfJ"
HEX = sha256(b"a secret").hexdigest()[:24]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("cli/why.py", f'client_secret = "{LETTERS}"'),
        ("cli/why.py", f'session.client(aws_secret_access_key="{LETTERS}")'),
        ("cli/why.py", f'{{"password": "{LETTERS}"}}'),
        ("tests/test_why.py", "pass" + 'word = "hunter2!"'),
        ("events/a.json", '{"api' + f'_key": "{HEX}"}}'),
        ("template.yaml", f"      ClientSecret: {LETTERS}"),
        ("template.yaml", "ClientSecret: {Type: String, Default: hunter2}"),
        ("template.yaml", "GenesysPassword: {Properties: {SecretString: hunter2}}"),
        ("tests/x.py", "access_tok" + 'en = "abcdefg12345"'),
        ("tests/x.py", "GENESYS_CREDENTI" + 'ALS = "client-1:abcdefg/12345"'),
        ("tests/x.py", 'headers = {"Authorization": "Bear' + 'er abcdefghijkl12345"}'),
        ("template.yaml", f"      Digest: {HEX}{HEX}"),
        ("samconfig.toml", f'parameter = "{HEX}{HEX}"'),
        ("docs/a.md", "https://me:" + "s3cr3tword@company.example/x"),
        ("docs/a.md", "AKI" + "AQWERTYUIOPASDFGH"),
        ("docs/a.md", "-----BEGIN " + "RSA PRIVATE KEY-----"),
        ("docs/a.md", "xox" + "b-123456789012-1234567890123-" + LETTERS * 2),
        (".ci/run", "TO" + f"KEN='{LETTERS}{HEX}'"),
        ("cli/why.py", f'client_secret = "{LETTERS}"  # pragma: allowlist ' + "secret"),
    ],
)  # fmt: skip
def test_a_secret_is_found_and_not_repeated(path: str, text: str) -> None:
    found = list(faults({path: f"# first line\n{text}\n"}, known=[]))

    assert found
    assert all(fault.startswith(f"{path}:2: ") and LETTERS not in fault for fault in found)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("cli/why.py", "client_secret = read_secret(arn)"),
        ("cli/why.py", "conversation = '0f0bb4a9-4f6a-4b5e-9d0e-2a4b6c8d0e1f'"),
        ("template.yaml", "      SecretArn: !Ref GenesysSecret"),
        ("cli/why.py", '"GenesysSecretArn": "arn:aws:secretsmanager:eu-central-1:000000000000:secret:x"'),
        ("cli/why.py", 'TOKEN_EXPIRED = "token.expired"'),
        ("docs/a.md", "The token is renewed before its life is over."),
        ("requirements/dev.txt", f"    --hash=sha256:{'0123456789abcdef' * 4} \\"),
    ],
)
def test_what_is_no_secret_is_left_alone(path: str, text: str) -> None:
    assert list(faults({path: text}, known=[])) == []


def test_a_known_text_hides_itself_alone_and_only_where_it_is_known() -> None:
    known = [Known("events/*.json", "made up, for a test", [digest_of(HEX)])]
    line = '{{"api' + '_key": "{}"}}'

    assert list(faults({"events/a.json": line.format(HEX)}, known)) == []
    assert len(list(faults({"cli/a.json": line.format(HEX)}, known))) > 1
    assert len(list(faults({"events/a.json": line.format(HEX[::-1])}, known))) > 1


def test_a_known_text_that_is_gone_is_found() -> None:
    (fault,) = faults({}, [Known("events/a.json", "made up, for a test", ["0123-4567"])])

    assert fault == "local/gates/known_texts.json: 0123-4567 is not in events/a.json: delete it"
