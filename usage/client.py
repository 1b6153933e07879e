"""KeyedSession: calls a provider from Keydeck's own Python code, recorded like any other call.

    requests.RequestException
    └── KeydeckError              Keydeck refused or could not make the call; nothing was sent
        ├── UnknownApplication    no application of that name
        ├── UnknownProvider       no provider of that name
        ├── NotTheProvider        an absolute URL that isn't the provider's
        ├── Refused               the provider's definition denies this endpoint
        ├── NoUsableKey           the application has no working key of this provider
        ├── Sealed                the vault is sealed
        └── NotRecorded           the call could not be written to the spool

What `requests` itself raises (ConnectionError, Timeout, …) passes through with secrets masked.
"""

import requests


class KeydeckError(requests.RequestException):
    """Keydeck refused or could not make the call; nothing was sent."""


class KeyedSession(requests.Session):
    """A requests.Session whose calls carry an application's provider key and are recorded."""

    def __init__(self, application: str, provider: str, caller: str = "") -> None:
        super().__init__()
        self.application = application
        self.provider = provider
        self.caller = caller
