"""Reserved for the front door of this name; built on operations/ alone."""
