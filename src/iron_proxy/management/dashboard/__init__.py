"""The page that shows the management API to people: files for browsers in `page/`, and the routes that serve them."""
