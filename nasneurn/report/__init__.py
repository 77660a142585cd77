"""Tables and figures, made from result rows."""
