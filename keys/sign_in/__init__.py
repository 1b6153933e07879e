"""Who comes in, and how: passwords, second factors, single sign-on, invitations, sessions."""
