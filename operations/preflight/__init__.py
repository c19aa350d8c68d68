"""What existing rows will make of the pending migrations: tried read-only, before anything is applied."""
