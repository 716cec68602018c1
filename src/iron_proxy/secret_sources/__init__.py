"""Where real values come from: the environment, files, and a key inside either."""
