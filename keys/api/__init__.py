"""REST of the keys app: thin handlers over permissions and lifecycle. Mounted by `config.api`."""
