"""Tracks as people have them: read from their files, put in order, named by networks, shown on a page."""
