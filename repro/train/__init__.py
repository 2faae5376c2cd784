"""Training: schedules, losses, the loop, checkpoints."""
