"""URLs of the usage pages. Key pages load the panels by htmx."""

from django.urls import path

from keys import attention
from usage.alerts import overview
from usage.views import (
    alert_acts,
    alerts,
    balances,
    callers,
    calls,
    hygiene,
    ledger,
    notices,
    panels,
    ranking,
)

RULE, CHANNEL, FINDING = "alerts/rules/<str:id>/", "alerts/channels/<str:id>/", "hygiene/<int:id>/"

# Not at every start: commands that show no page do without what the overview loads.
attention.add_source(overview.firing)

urlpatterns = [
    path("alerts/", alerts.alerts, name="alerts"),
    path("alerts/deliveries/", alerts.alert_deliveries, name="alert_deliveries"),
    path("alerts/rules/new/", alert_acts.alert_rule_new, name="alert_rule_new"),
    path(RULE, alert_acts.alert_rule_edit, name="alert_rule_edit"),
    path(f"{RULE}delete/", alert_acts.alert_rule_delete, name="alert_rule_delete"),
    path("alerts/channels/new/", alert_acts.alert_channel_new, name="alert_channel_new"),
    path(CHANNEL, alert_acts.alert_channel_edit, name="alert_channel_edit"),
    path(f"{CHANNEL}delete/", alert_acts.alert_channel_delete, name="alert_channel_delete"),
    path(f"{CHANNEL}secret/", alert_acts.alert_channel_secret, name="alert_channel_secret"),
    path(f"{CHANNEL}test/", alert_acts.alert_channel_test, name="alert_channel_test"),
    path("hygiene/", hygiene.hygiene, name="hygiene"),
    path(f"{FINDING}fix/", hygiene.hygiene_fix, name="hygiene_fix"),
    path(f"{FINDING}snooze/", hygiene.hygiene_snooze, name="hygiene_snooze"),
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
