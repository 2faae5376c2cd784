"""One training by several processes: the group of DDP workers, their start, their heartbeats."""
