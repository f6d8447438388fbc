"""The report: one HTML page of everything that is in the stores, with its pictures inside."""
