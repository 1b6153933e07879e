"""Periodic work of the ledger. Each run takes what it finds; a lost message costs one tick."""

from celery import shared_task

from usage import ingest, retention


@shared_task
def drain_dead_spools() -> None:
    ingest.drain_dead()


@shared_task
def trim_calls() -> None:
    retention.trim()
