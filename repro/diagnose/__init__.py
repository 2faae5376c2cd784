"""Somebody's own recipe beside a published one: reading it, its departures, and what they are reported to cost."""
