"""The report: one HTML page on everything in the stores, with its pictures embedded."""
