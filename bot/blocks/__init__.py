"""Messages and modals as Block Kit: pure functions from frozen dataclasses to what Slack's API takes."""
