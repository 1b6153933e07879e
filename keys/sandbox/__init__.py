"""The sandbox provider: a local upstream in ModelsLab's, OpenAI's and Anthropic's shapes.

It lets the product be tried and tested without credits or a network. It is written from the
providers' documents alone and imports nothing of ours, so that a bug of the client side cannot
cancel itself out here.
"""
