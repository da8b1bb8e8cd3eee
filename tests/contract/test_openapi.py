"""The OpenAPI document says what the application serves, no more and no less."""

from __future__ import annotations

from openapi_spec_validator import OpenAPIV31SpecValidator

from campanile.app import OPERATIONS
from campanile.campaigns.companion.routes import companion_routes
from campanile.campaigns.routes import campaign_routes
from campanile.experiments.routes import experiment_routes
from campanile.hooks.routes import hook_routes
from campanile.http.openapi import document
from campanile.intake.routes import intake_routes
from campanile.reports.download.routes import download_routes
from campanile.reports.routes import report_routes
from campanile.reports.runs.routes import run_routes
from campanile.stats.routes import stats_routes


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(document(OPERATIONS)).validate()


def test_every_route_is_described_and_every_description_has_a_route() -> None:
    nouns = (
        stats_routes,
        intake_routes,
        campaign_routes,
        experiment_routes,
        report_routes,
        run_routes,
        download_routes,
        companion_routes,
        hook_routes,
    )
    served = {
        (method, path.replace(":str", "").replace("{rest:path}", "{app_id}/{filename}"))
        for handler in (handler for routes in nouns for handler in routes())
        for path in handler.paths
        for method in handler.http_methods
    }
    assert served == {(operation.method, operation.path) for operation in OPERATIONS}
