"""What a table says: its schema, its loading, its scales. Never imports torch."""
