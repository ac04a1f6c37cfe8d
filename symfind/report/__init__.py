"""The report: its schema, its stored forms, its rendering."""
