"""The project of our side: a master and two replicas of the same model."""
