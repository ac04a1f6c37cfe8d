"""What can be asked: every option of every verb, declared once."""
