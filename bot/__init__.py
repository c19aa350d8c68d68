"""The Slack bot: what staff ask for and approve, and what came of it. Built on operations/ alone."""
