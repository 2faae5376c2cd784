"""What happens during a run, and how it is shown: events, state, lines, live view."""
