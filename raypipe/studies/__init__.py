"""The studies that come with raypipe, each a package with its `STUDY`."""
