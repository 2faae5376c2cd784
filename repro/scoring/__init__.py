"""Scores of label maps that somebody else's network made: read, counted, and set beside other rules of counting."""
