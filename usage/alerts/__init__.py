"""Telling people: rules over facts, what fires, and its way to e-mail, webhooks and chats."""
