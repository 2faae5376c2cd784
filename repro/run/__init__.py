"""Running what the store lacks: executors, their events, and the view of them."""
