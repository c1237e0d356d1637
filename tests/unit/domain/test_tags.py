from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.evidence_key import EvidenceKey, Role
from holdfast.domain.ids import ConversationId, RecordingId
from holdfast.domain.tags import MAX_TAGS, own_tags, plan_tags

OURS = {"legal-hold": "on", "conversation-id": "c", "recording-id": "r"}
NAMES = st.text(min_size=1, max_size=4) | st.sampled_from(sorted(OURS))
FOREIGN = st.dictionaries(NAMES, st.text(max_size=4), max_size=MAX_TAGS)


@given(FOREIGN)
def test_foreign_tags_are_kept_as_they_are(foreign: dict[str, str]) -> None:
    plan = plan_tags(foreign, OURS)

    assert {name: value for name, value in foreign.items() if name not in OURS}.items() <= plan.tags.items()
    assert plan.tags.keys() <= foreign.keys() | OURS.keys()


@given(FOREIGN)
def test_there_are_never_more_tags_than_an_object_takes(foreign: dict[str, str]) -> None:
    assert len(plan_tags(foreign, OURS).tags) <= MAX_TAGS


@given(FOREIGN)
def test_each_of_our_tags_is_written_or_named_as_omitted(foreign: dict[str, str]) -> None:
    plan = plan_tags(foreign, OURS)

    for name, value in OURS.items():
        assert (plan.tags.get(name) == value) != (name in plan.omitted)


@given(FOREIGN)
def test_planning_again_changes_nothing(foreign: dict[str, str]) -> None:
    plan = plan_tags(foreign, OURS)

    assert plan_tags(plan.tags, OURS).tags == plan.tags


def test_the_most_useful_tags_get_the_last_room() -> None:
    foreign = {f"theirs-{number}": "x" for number in range(MAX_TAGS - 1)}

    plan = plan_tags(foreign, OURS)

    assert plan.tags["legal-hold"] == "on"
    assert plan.omitted == ("conversation-id", "recording-id")


def test_an_object_that_says_nothing_is_still_tagged_as_held() -> None:
    full = EvidenceKey("k", Role.MEDIA, "o", ConversationId("c"), RecordingId("r"))

    assert own_tags(EvidenceKey("k", Role.STRAY)) == {"legal-hold": "on"}
    assert own_tags(full) == OURS
