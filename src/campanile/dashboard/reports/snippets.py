"""How a program fetches a file: exact calls, with the secret left to the environment of whoever runs them."""

from __future__ import annotations

import shlex

import msgspec

from campanile.reports.service import Run

KEY = "CAMPANILE_REPORT_KEY"
"""Variable that holds a report key; the key itself is never written anywhere."""


class Snippets(msgspec.Struct, frozen=True):
    """Two ways to the same file."""

    curl: str
    python: str
    signed: bool
    """Whether the call is the signed one by name; else the one with the key itself by the id of the run."""


def snippets(run: Run, base_url: str) -> Snippets | None:
    """The calls for the file of a run; None if it has none."""
    if run.file is None:
        return None
    if not run.by_name:
        url = f"{base_url}/v1/report-runs/{run.id}/file"
        return Snippets(_plain_curl(run, url, run.file.name), _plain_python(run, url, run.file.name), signed=False)
    path = "v1/dailyCampaignReportDump" if run.definition_id is None else "campaign_reports/rest_api"
    url = f"{base_url}/{path}/{run.workspace_id}"
    return Snippets(_signed_curl(run, url, run.file.name), _signed_python(run, url, run.file.name), signed=True)


def _signed_curl(run: Run, url: str, name: str) -> str:
    return f"""WORKSPACE={shlex.quote(run.workspace_id)}
FILE={shlex.quote(name)}
SIGNATURE=$(printf %s "$WORKSPACE|$FILE|${KEY}" | sha256sum | cut -d ' ' -f 1)
curl -sf {shlex.quote(url)}/"$FILE" -H "Signature: $SIGNATURE" -o "$FILE"
"""


def _signed_python(run: Run, url: str, name: str) -> str:
    return f"""import hashlib, os, urllib.request

workspace, file, key = {run.workspace_id!r}, {name!r}, os.environ["{KEY}"]
signature = hashlib.sha256(f"{{workspace}}|{{file}}|{{key}}".encode()).hexdigest()
url = {url!r} + "/" + file
request = urllib.request.Request(url, headers={{"Signature": signature}})
with urllib.request.urlopen(request) as answer, open(file, "wb") as target:
    target.write(answer.read())
"""


def _plain_curl(run: Run, url: str, name: str) -> str:
    user = shlex.quote(run.workspace_id)
    return f'curl -sf {shlex.quote(url)} -u {user}:"${KEY}" -o {shlex.quote(name)}\n'


def _plain_python(run: Run, url: str, name: str) -> str:
    return f"""import base64, os, urllib.request

login = {run.workspace_id!r} + ":" + os.environ["{KEY}"]
headers = {{"Authorization": "Basic " + base64.b64encode(login.encode()).decode()}}
with urllib.request.urlopen(urllib.request.Request({url!r}, headers=headers)) as answer:
    open({name!r}, "wb").write(answer.read())
"""
