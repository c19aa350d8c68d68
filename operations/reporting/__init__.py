"""What a report tells, and how it looks: HTML, Markdown. Pure; ``operations.report`` gathers what is told."""
