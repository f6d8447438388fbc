"""Run on Ray: join or start a cluster, prepare environments, fill stores, estimate runs and show progress."""
