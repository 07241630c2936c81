"""Machinery for whole systems: real processes, real databases, a broker that can be taken away, and an independent eye.

Nothing here imports the package under test or Django; the demo and the end-to-end tests share it.
"""
