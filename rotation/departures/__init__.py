"""People who leave: what they could have known, what becomes of it, and what they leave behind."""
