"""What can be looked at in a database and around it, one thing a file; ``operations.health`` runs them all."""
