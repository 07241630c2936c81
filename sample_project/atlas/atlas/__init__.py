"""Atlas, the master service: it owns the countries of the world and their subdivisions."""
