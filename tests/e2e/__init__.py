"""Real processes, real targets, and things that kill them."""
