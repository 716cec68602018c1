"""What operators ask the proxy over HTTP."""
