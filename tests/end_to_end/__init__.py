"""The three services of the sample as real processes, on each broker, and what must hold when they are killed."""
