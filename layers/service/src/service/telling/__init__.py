"""Telling people and machines of incidents: events, signed webhooks, e-mail, findings for a SIEM."""
