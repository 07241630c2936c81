"""Search, a replica service: one document per country."""
