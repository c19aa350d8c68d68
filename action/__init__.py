"""The GitHub Action: inputs and event → one use case → comment, check run, summary, outputs → exit code."""
