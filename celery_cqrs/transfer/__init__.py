"""Many rows at once, because a person asks for it: compared, sent again, taken away."""
