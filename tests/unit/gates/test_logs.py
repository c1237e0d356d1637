"""Nothing secret is logged, printed or said in an error, and a line that says it is found."""

import pytest

from local.gates.logs import OBSERVABILITY, faults, logged_keys

STEP = "layers/holdfast/holdfast/steps/preflight.py"
TOKEN = "layers/holdfast/holdfast/genesys/token.py"
FUNCTION = "functions/preflight/app.py"
KEYS = {"matter_id", "reason", "error", "state"}


@pytest.mark.parametrize(
    ("path", "line", "said"),
    [
        (FUNCTION, "print(event)", "print()"),
        (FUNCTION, "import logging", "observability.py alone logs"),
        (FUNCTION, "from aws_lambda_powertools import Logger", "observability.py alone logs"),
        (FUNCTION, "from holdfast.observability import logger", "observability.py alone logs"),
        (FUNCTION, "observability.logger.info('here')", "uses a logger"),
        (STEP, "import sys\nsys.stdout.write('here')", "sys.stdout.write()"),
        (STEP, "import warnings", "observability.py alone logs"),
        (STEP, "import traceback", "observability.py alone logs"),
        (TOKEN, 'logger.info(f"got {token}")', "a log line says token"),
        (TOKEN, 'logger.info("got %s", token.secret)', "a log line says token.secret"),
        (TOKEN, 'logger.info("got", extra={"reason": token.secret})', "a log line says token.secret"),
        (TOKEN, 'telemetry.note("got", reason=fresh.secret)', "telemetry says fresh.secret"),
        (OBSERVABILITY, 'logger.info(f"got {token}")', "a log line says token"),
        (OBSERVABILITY, 'logger.info(f"got {state}")', "a log line is a constant event"),
        (OBSERVABILITY, 'logger.info("got " + state)', "a log line is a constant event"),
        (OBSERVABILITY, 'logger.info("got", extra={"event": event})', "a log line says event"),
        (OBSERVABILITY, "logger.append_keys(phone=event['ani'])", "a log line says event['ani']"),
        (STEP, 'telemetry.note("seen", **{"reason": message.body})', "telemetry says message.body"),
        (STEP, 'telemetry.note("seen", phone="1")', "phone is no key of LOGGED_KEYS"),
        (STEP, 'telemetry.note(f"seen_{state}")', "one constant event"),
        (STEP, "telemetry.note(event)", "one constant event"),
        (STEP, 'telemetry.note("Seen it")', "one constant event"),
        (STEP, 'telemetry.note("seen", token)', "one constant event"),
        (STEP, 'bootstrap.telemetry().note("seen", reason=secret)', "telemetry says secret"),
        (STEP, 'raise Refused(f"the platform refused {token}")', "an error says token"),
        (STEP, 'raise ValueError("refused: " + response.headers["Authorization"])', "an error says"),
        (STEP, 'raise ValueError("refused %s" % password)', "an error says password"),
        (STEP, 'raise ValueError("refused {}".format(access_token))', "an error says access_token"),
        (STEP, 'raise ValueError(f"expected a matter, found {event!r}")', "an error says event"),
        (STEP, "class Odd(Exception): ...\nclass Odder(Odd): ...\nOdder(token)", "an error says token"),
        (STEP, 'failure.add_note(f"with {token}")', "an error says token"),
        (STEP, "def f(token):\n    shown = token[:4]\n    raise ValueError(shown)", "an error says shown"),
        (STEP, 'def f():\n    a = tokens.token()\n    b = f"{a}"\n    raise OSError(b)', "an error says b"),
        (STEP, 'for one in tokens:\n    telemetry.note("seen", reason=one)', "telemetry says one"),
        (STEP, "assert found, f'with {token}'", "an error says token"),
        (OBSERVABILITY, 'metrics.add_metadata(key="reason", value=token)', "a log line says token"),
        (OBSERVABILITY, "logger.inject_lambda_context(log_event=True)", "log_event"),
        (STEP, "tell = telemetry.note", "told by its name"),
        (STEP, "os.write(1, token.encode())", "what is printed says token"),
        ("local/demo.py", "print(f'{world.token}')", "what is printed says world.token"),
        (TOKEN, 'basic = b64encode(f"{c.client_secret}".encode())\nraise OSError(f"{basic}")', "says basic"),
        ("cli/why.py", "print(secret)", "what is printed says secret"),
        ("cli/why.py", "console.print(f'{access_token}')", "what is printed says access_token"),
    ],
)  # fmt: skip
def test_a_line_that_says_too_much_is_found(path: str, line: str, said: str) -> None:
    found = list(faults({path: line}, keys=KEYS))

    assert any(said in fault for fault in found), found


@pytest.mark.parametrize(
    "expression",
    [
        "token",
        "self._token.value[:8]",
        "str(payload)",
        "f'{client_secret}'",
        "credentials.client_secret",
        "tokens.token()",
        "call.participant_name",
        "participant.name",
        "call['ani']",
        "call.get('dnis', '')",
        "phoneNumber",
        "json.dumps(event)",
        "event['detail']",
        "response.text",
        "response.json()",
        "request.headers['Authorization']",
        "base64.b64encode(secret.encode()).decode()",
        "token if token else 'none'",
        "' '.join(['Bearer', token])",
    ],
)
def test_telemetry_is_not_told_what_is_secret(expression: str) -> None:
    line = f'telemetry.note("seen", reason={expression})'

    (fault,) = faults({STEP: line}, keys=KEYS)

    assert "telemetry says" in fault


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (STEP, 'telemetry.note("seen", matter_id=run.matter_id, state=record.state)'),
        (STEP, 'telemetry.note("seen" if new else "known", reason=type(failure).__name__)'),
        (STEP, 'telemetry.note("seen", reason=len(tokens))'),
        (STEP, 'telemetry.note("seen", matter_id=event["detail"]["matter_id"])'),
        (STEP, 'telemetry.note("seen", reason=payload.matter_id)'),
        (STEP, 'def f(token):\n    answer = ask(token)\n    telemetry.note("seen", reason=answer.state)'),
        (STEP, 'raise ValueError(f"expected a token, found none: {status}")'),
        (TOKEN, 'raise Pending(f"generation {token.generation}")'),
        (TOKEN, "answer = post(headers={'Authorization': token.secret})"),
        (OBSERVABILITY, 'import logging\nlogger.info("seen", extra=ids)'),
        ("cli/why.py", "console.print(matter_id)"),
        ("local/genesys/platform.py", "raise BadRequest(f'unknown: {body}')"),
    ],
)
def test_what_says_ids_and_classes_is_left_alone(path: str, line: str) -> None:
    assert list(faults({path: line}, keys=KEYS)) == []


def test_what_is_secret_in_one_function_is_not_in_the_next() -> None:
    text = "def f(token):\n    a = token\ndef g(a):\n    telemetry.note('seen', reason=a)"

    assert list(faults({STEP: text}, keys=KEYS)) == []


def test_the_keys_are_those_of_the_program() -> None:
    assert logged_keys('LOGGED_KEYS = frozenset({"matter_id", "state"})') == {"matter_id", "state"}
