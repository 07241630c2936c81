"""Master and replica models of one service, for the tests."""
