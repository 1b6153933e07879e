"""REST of the usage app: thin handlers over `usage.stats`. Mounted by `config.api`."""
