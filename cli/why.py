"""`holdfast why`: who holds something, since when, and what happened to it."""

from typing import Annotated

import typer

from cli.command import command
from cli.connection import Deployment
from cli.failures import NotKnown
from cli.terminal import Answer
from holdfast.domain.evidence_key import EvidenceKey
from holdfast.domain.ids import ConversationId, is_uuid

app = typer.Typer()


@command(app)
def why(
    deployment: Deployment,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="KEY|RECORDING|CONVERSATION",
            help="A key of the evidence bucket, or the id of a recording or a conversation.",
        ),
    ],
) -> Answer:
    """Tell who holds something, since when, and what happened to it."""
    conversation_id = (
        ConversationId(subject) if is_uuid(subject) else EvidenceKey.parse(subject).conversation_id
    )
    dossier = deployment.claims.dossier(conversation_id) if conversation_id else None
    if dossier is None or not (dossier.claimed_by or dossier.entries):
        raise NotKnown(
            f"nothing is known of {subject}",
            expected="a key of the evidence bucket, or the id of a recording or a conversation",
        )
    return Answer(
        {"conversation_id": conversation_id, "matters": dossier.claimed_by},
        f"{conversation_id}: claimed by {', '.join(sorted(dossier.claimed_by)) or 'nobody'}",
    )
