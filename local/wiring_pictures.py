"""Pictures of who starts what and who writes where, drawn from template.yaml as Mermaid flowcharts.

Arrows follow from event sources, rules, redrive policies, notifications and the roles' policies; one without
a word means "starts" or "writes". What only reads is left out, but for the evidence bucket. What is started
alike and does alike shares a box.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from local.template import Template

GENESYS, OPERATOR, DEFAULT_BUS = "GenesysCloud", "Operator", "DefaultBus"
_OUTSIDE = {GENESYS: "Genesys Cloud", OPERATOR: "an operator", DEFAULT_BUS: "default event bus"}
_SHAPES: Mapping[str, str] = {
    "S3::Bucket": '[("{}")]',
    "DynamoDB::Table": '[("{}")]',
    "SQS::Queue": '[["{}"]]',
    "Serverless::StateMachine": '{{{{"{}"}}}}',
    "Serverless::Function": '["{}"]',
}
_ROUND = '(["{}"])'  # buses, topics, schedules, keys, and what is outside
# What a granted action does to its resource; the first that fits.
_EFFECTS: tuple[tuple[str, str], ...] = (
    (r"s3:PutObjectLegalHold", "lifts"),  # "locks" under the condition that it sets ON
    (r"s3:PutObject(Version)?Tagging", "tags"),
    (r"s3:PutObject", ""),
    (r"s3:GetObject(Version)?", "reads"),
    (r"dynamodb:(Put|Update|Delete)Item", ""),
    (r"sqs:SendMessage", "sends"),
    (r"states:StartExecution", "starts"),
    (r"events:PutEvents", "tells"),
    (r"sns:Publish", "tells"),
    (r"kms:Sign", "signs with"),
)
_READ_OF = {"EvidenceBucket"}
_VENDOR = "GenesysWriterRole"

type Resource = Mapping[str, Any]
type Edge = tuple[str, str, str]


class Wiring:
    """What the template's resources start and write, as edges ``(from, verb, to)``."""

    def __init__(self, template: Template) -> None:
        self._resources: Mapping[str, Resource] = template["Resources"]
        self._machines = self._of_type("Serverless::StateMachine")
        self._functions = self._of_type("Serverless::Function")
        self._edges = list(dict.fromkeys(self._all_edges()))

    def drawing(self, name: str) -> str:
        """Draw a picture as Mermaid: ``overview``, or one of `members`.

        Raises:
            KeyError: there is no picture of that name.
        """
        if name == "overview":
            edges = [edge for edge in self._edges if self._is_trigger(edge)]
        else:
            members = self.members()[name]
            edges = [edge for edge in self._edges if edge[0] in members or self._triggers(edge, members)]
            ends = _ends(edges)
            edges += [edge for edge in self._edges if edge not in edges and self._is_pipe(edge, ends)]
        edges = self._together(edges)
        lines = ["flowchart LR", *(f"    {node}" for node in self._nodes(edges))]
        lines += [f"    {_id(start)} {_arrow(verb)} {_id(end)}" for start, verb, end in edges]
        return "\n".join(lines) + "\n"

    def members(self) -> Mapping[str, set[str]]:
        """Share functions and workflows out among the pictures, by what starts them."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for name, machine in self._machines.items():
            found[self._picture_of(name)] |= {name, *self._invoked(machine)}
        placed = set().union(*found.values())
        for name, function in self._functions.items():
            kinds = {event["Type"] for event in function.get("Events", {}).values()}
            if kinds or name not in placed:
                is_scheduled = any(kind.startswith("Schedule") for kind in kinds)
                found["schedules" if is_scheduled else "arrivals"].add(name)
        return found

    def writers(self, store: str) -> set[str]:
        """Name who may put something new into a bucket or table."""
        return {start for start, verb, end in self._edges if end == store and not verb}

    def _picture_of(self, machine: str) -> str:
        buses = {start for start, _, end in self._edges if end == machine and start.endswith("Bus")}
        starts_others = any(start == machine and verb == "starts" for start, verb, _ in self._edges)
        if not buses:
            return "exports_and_holds"
        return "release" if "RequestBus" not in buses else "requests" if starts_others else "decisions"

    # --- arrows

    def _all_edges(self) -> Iterator[Edge]:
        for name in (*self._machines, *self._functions):
            properties = self._resources[name]["Properties"]
            started = list(self._triggers_of(name))
            yield from started
            if name in self._machines:
                yield from ((name, "", function) for function in self._invoked(properties))
            elif not started and not any(name in self._invoked(given) for given in self._machines.values()):
                yield OPERATOR, "", name
            (role,) = _named(properties["Role"])
            yield from ((name, verb, target) for verb, target in self._effects(role) if target != name)
        yield from ((GENESYS, verb, target) for verb, target in self._effects(_VENDOR))
        for name, queue in self._of_type("SQS::Queue").items():
            if policy := queue.get("RedrivePolicy"):
                yield name, "given up", _named(policy["deadLetterTargetArn"])[0]
        for name, bucket in self._of_type("S3::Bucket").items():
            for told in bucket.get("NotificationConfiguration", {}).get("QueueConfigurations", ()):
                yield name, "ObjectCreated", _named(told["Queue"])[0]

    def _triggers_of(self, name: str) -> Iterator[Edge]:
        for event in self._resources[name]["Properties"].get("Events", {}).values():
            given = event["Properties"]
            match event["Type"]:
                case "EventBridgeRule":
                    yield given["EventBusName"]["Ref"], "<br>".join(given["Pattern"]["detail-type"]), name
                case "SQS":
                    yield _named(given["Queue"])[0], "", name
                case "Schedule" | "ScheduleV2":
                    rate = given.get("Schedule", given.get("ScheduleExpression"))
                    shown = rate["Ref"] if isinstance(rate, dict) else rate
                    yield shown, re.sub(r'[{}"]', "", given.get("Input", "")), name

    def _effects(self, role: str) -> Iterator[tuple[str, str]]:
        properties = self._resources[role]["Properties"]
        if {"Ref": "GenesysCaller"} in properties.get("ManagedPolicyArns", ()):
            yield "calls", GENESYS
        for policy in properties.get("Policies", ()):
            for statement in policy["PolicyDocument"]["Statement"]:
                for action in _listed(statement["Action"]):
                    verb = next((verb for pattern, verb in _EFFECTS if re.fullmatch(pattern, action)), None)
                    if verb == "lifts" and "ON" in str(statement.get("Condition")):
                        verb = "locks"
                    for target in self._targets(statement) if verb is not None else ():
                        if verb != "reads" or target in _READ_OF:
                            yield str(verb), target

    def _targets(self, statement: Resource) -> Iterator[str]:
        for resource in _listed(statement["Resource"]):
            if "event-bus/default" in str(resource):
                yield DEFAULT_BUS
            for name, machine in self._machines.items():
                if f"stateMachine:{machine['Name']['Fn::Sub']}'" in str(resource):
                    yield name
            for name, bucket in self._of_type("S3::Bucket").items():
                if f"s3:::{bucket.get('BucketName', {}).get('Fn::Sub', name)}/" in str(resource):
                    yield name
            yield from (name for name in _named(resource) if name in self._resources)

    def _invoked(self, machine: Resource) -> list[str]:
        given = machine.get("DefinitionSubstitutions", {}).values()
        return [name for value in given for name in _named(value) if name in self._functions]

    # --- what belongs into a picture

    def _triggers(self, edge: Edge, members: set[str]) -> bool:
        start, _, end = edge
        return end in members and start not in self._machines and start not in self._functions

    def _is_trigger(self, edge: Edge) -> bool:
        """Tell whether somebody is started by it: an event, a queue, a schedule or another workflow."""
        start, verb, end = edge
        programs = {*self._machines, *self._functions}
        if start in self._machines:
            return end in self._machines
        return (
            start not in programs
            or verb in {"starts", "sends"}
            or (verb == "tells" and end in self._of_type("Events::EventBus"))
        )

    def _is_pipe(self, edge: Edge, ends: set[str]) -> bool:
        """Tell whether something gets into a store or queue of the picture without a function's doing."""
        start, _, end = edge
        stores = ends - {*self._machines, *self._functions}
        return end in stores and (start in stores or start == GENESYS)

    # --- boxes

    def _together(self, edges: list[Edge]) -> list[Edge]:
        alike: defaultdict[object, list[str]] = defaultdict(list)
        for name in dict.fromkeys(end for start, _, target in edges for end in (start, target)):
            around = frozenset(
                (start if end == name else "", verb, end if start == name else "")
                for start, verb, end in edges
                if name in (start, end)
            )
            is_unique = name in self._machines or name in {GENESYS, OPERATOR}
            alike[name if is_unique else (around, self._shape(name))].append(name)
        box = {name: " ".join(names) for names in alike.values() for name in names}
        verbs: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        for start, verb, end in edges:
            verbs[box[start], box[end]][verb] = None
        return [(start, ", ".join(filter(None, told)), end) for (start, end), told in verbs.items()]

    def _nodes(self, edges: list[Edge]) -> Iterator[str]:
        boxes = dict.fromkeys(end for start, _, target in edges for end in (start, target))
        for box in sorted(boxes, key=lambda box: box not in self._machines):
            # a schedule's expression is one name, although it has spaces
            names = [box] if box.startswith(("rate(", "cron(")) else box.split(" ")
            shown = "<br>".join(_OUTSIDE.get(name, name) for name in names)
            yield f"{_id(box)}{self._shape(names[0]).format(shown)}"

    def _shape(self, name: str) -> str:
        kind = self._resources.get(name, {}).get("Type", "").removeprefix("AWS::")
        return _SHAPES.get(kind, _ROUND)

    def _of_type(self, kind: str) -> dict[str, Resource]:
        return {
            name: resource.get("Properties", {})
            for name, resource in self._resources.items()
            if resource["Type"] == f"AWS::{kind}"
        }


def _id(box: str) -> str:
    return re.sub(r"\W+", "_", box).strip("_")


def _arrow(verb: str) -> str:
    return {"": "-->", "given up": "-. given up .->"}.get(verb, f'-- "{verb}" -->')


def _ends(edges: list[Edge]) -> set[str]:
    return {end for start, _, target in edges for end in (start, target)}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _named(value: Any) -> list[str]:
    """Find the logical ids that a value of the template refers to."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return [name]
        case {"Fn::Sub": str(text)}:
            return re.findall(r"\$\{(\w+)(?:\.\w+)?\}", text)
    return []
