"""Records of trainings and evaluations: plain files, content-addressed, atomic, locked. No torch here."""
