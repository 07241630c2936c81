"""Do replicas become what their master is, whatever the transport does?

``make convergence`` takes hostile deliveries by the hundred thousand and prints a table; pytest runs a short selection.
"""
