"""What ``init`` writes into a project: what the project is, and the files that follow from it. Pure."""
