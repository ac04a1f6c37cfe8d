"""What a file holds: one folder a kind, and the table that lists them."""
