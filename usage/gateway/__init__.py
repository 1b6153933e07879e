"""The gateway: takes an app key, asks the provider with the real one, records the call."""
