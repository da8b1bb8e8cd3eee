"""Python client of a Campanile server, and of any other server that speaks the Stats API. Needs no server packages."""

from campanile.client.client import CampanileClient
from campanile.client.downloads import Damaged, Downloaded, NotReady, ReportDownloads
from campanile.client.errors import ClientError, Refused, Unreachable
from campanile.client.retries import RetryPolicy
from campanile.client.schemas import CampaignImport, CampaignResult, EventProblem, EventResult

__all__ = [
    "CampaignImport",
    "CampaignResult",
    "CampanileClient",
    "ClientError",
    "Damaged",
    "Downloaded",
    "EventProblem",
    "EventResult",
    "NotReady",
    "Refused",
    "ReportDownloads",
    "RetryPolicy",
    "Unreachable",
]
