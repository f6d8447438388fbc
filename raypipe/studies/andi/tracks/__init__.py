"""Measured tracks: read from files, put in order, classified by networks, and shown on a page."""
