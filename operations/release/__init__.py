"""The application around a deploy: its version checked out, built, stopped, started and watched, and brought back."""
