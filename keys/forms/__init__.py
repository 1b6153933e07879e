"""Forms of the pages: shape and words only; what a value may be is decided by the domain."""
