"""Rules for the workflows of GitHub Actions: actions are pinned, commands documented, nothing leaks."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

_PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")
_READS = {"contents": "read"}


class _Workflow(yaml.SafeLoader):
    """YAML 1.2, as GitHub reads it: `on` is a word, not a truth."""


_Workflow.yaml_implicit_resolvers = {
    first: [(tag, shape) for tag, shape in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Workflow.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|false"), ["t", "f"])


def faults(text: str, documented: set[str]) -> Iterator[str]:
    """Say what is wrong with a workflow file; `documented` are the commands that people are told to run."""
    workflow: dict[str, Any] = yaml.load(text, _Workflow)  # noqa: S506 - a safe loader, extended
    events = set(workflow["on"])
    if workflow.get("permissions") != _READS:
        yield "permissions: contents: read, and what a job needs beyond at the job"
    if "concurrency" not in workflow:
        yield "no concurrency: two runs would work against each other"
    if re.search(r"\bsecrets\b", text):
        yield "no secrets: roles are assumed with the run's own identity"
    if "pull_request_target" in events or "workflow_run" in events:
        yield "a stranger's change must not run with our rights"
    for used, version in re.findall(r"uses: *(\S+)(.*)", text):
        if not _PINNED.fullmatch(used) or not re.fullmatch(r" # v\d+\.\d+\.\d+", version):
            yield f"{used}: pin the commit, and say the version behind it"
    for name, job in workflow["jobs"].items():
        yield from (f"{name}: {fault}" for fault in _faults_of_job(job, events, documented))


def _faults_of_job(job: dict[str, Any], events: set[str], documented: set[str]) -> Iterator[str]:
    if not job.get("timeout-minutes"):
        yield "no timeout-minutes"
    more = job.get("permissions", _READS).items() - _READS.items()
    if more - {("id-token", "write")}:
        yield f"too many permissions: {sorted(more)}"
    if more and (events != {"workflow_dispatch"} or "environment" not in job):
        yield "what may assume a role is started by hand, in an environment with reviewers"
    for step in job["steps"]:
        if step.get("uses", "").startswith("actions/checkout@") and not _forgets(step):
            yield "checkout leaves its token behind"
        for command in step.get("run", "").splitlines():
            if "${{" in command:
                yield f"{command}: hand values over in env, where no shell reads them as commands"
            if command not in documented:
                yield f"{command}: no document tells people to run this"


def _forgets(step: dict[str, Any]) -> bool:
    return step.get("with", {}).get("persist-credentials") is False
