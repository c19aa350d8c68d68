"""Messages and modals as Block Kit: pure functions from frozen structs to what Slack's API takes."""
