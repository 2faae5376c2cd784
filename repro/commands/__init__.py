"""One module per command; heavy imports only inside functions, so that `--help` stays instant."""
