"""URLs of the usage pages. Key pages load the panels by htmx."""

from django.urls import path

from usage.views import balances, callers, calls, ledger, notices, panels, ranking

urlpatterns = [
    path("calls/", calls.calls, name="calls"),
    path("calls/export/<slug:form>/", calls.calls_export, name="calls_export"),
    path("calls/tail/", calls.calls_tail, name="calls_tail"),
    path("calls/<uuid:id>/", calls.call, name="call"),
    path("ledger/", ledger.ledger, name="ledger"),
    path("ledger/quarantine/", ledger.quarantine, name="quarantine"),
    path("ledger/quarantine/<int:line>/<slug:act>/", ledger.quarantine_act, name="quarantine_act"),
    path("usage/panel/", panels.usage_panel, name="usage_panel"),
    path("usage/data/", panels.usage_data, name="usage_data"),
    path("usage/table/", panels.usage_table, name="usage_table"),
    path("usage/cutover/", callers.usage_cutover, name="usage_cutover"),
    path("usage/impact/", callers.usage_impact, name="usage_impact"),
    path("usage/limits/", notices.limits_notice, name="limits_notice"),
    path("usage/balance/", balances.balance_panel, name="balance_panel"),
    path("rankings/", ranking.rankings, name="rankings"),
    path("usage/overview/", panels.traffic_overview, name="traffic_overview"),
]
