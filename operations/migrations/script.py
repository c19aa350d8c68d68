"""What a migration's SQL is made of, and whether it can run in one transaction."""
