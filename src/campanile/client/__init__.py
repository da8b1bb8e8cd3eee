"""Python client of a Campanile server, and of any other server that speaks the Stats API. Needs no server packages."""

from campanile.client.addresses import DATA_CENTRES, moengage
from campanile.client.client import AsyncClient, Client
from campanile.client.downloads import Downloaded, sign
from campanile.client.errors import (
    ClientError,
    Damaged,
    MissingPackage,
    NotAdditive,
    NotReady,
    Refused,
    SendingStopped,
    Unreachable,
    WrongQuestion,
)
from campanile.client.events import Rejection, Sent
from campanile.client.results import Node, Row, Stats, WindowStats
from campanile.client.retries import RetryPolicy
from campanile.client.schemas import CampaignImport, CampaignResult, EventProblem, EventResult, StatsPage
from campanile.client.windows import Window

__all__ = [
    "DATA_CENTRES",
    "AsyncClient",
    "CampaignImport",
    "CampaignResult",
    "Client",
    "ClientError",
    "Damaged",
    "Downloaded",
    "EventProblem",
    "EventResult",
    "MissingPackage",
    "Node",
    "NotAdditive",
    "NotReady",
    "Refused",
    "Rejection",
    "RetryPolicy",
    "Row",
    "SendingStopped",
    "Sent",
    "Stats",
    "StatsPage",
    "Unreachable",
    "Window",
    "WindowStats",
    "WrongQuestion",
    "moengage",
    "sign",
]
