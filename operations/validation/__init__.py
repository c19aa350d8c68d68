"""What a set of new migrations would do, told before they land."""
