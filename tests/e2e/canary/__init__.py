"""The canary sweep: planted secrets, what drives them through the product, and the search."""
