"""From cells to evaluations to trainings, shared ones once. Never imports torch."""
