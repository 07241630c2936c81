"""Shop, a replica service: plain rows under names of its own."""
