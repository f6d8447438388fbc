"""Running on Ray: cluster, environments, filling stores, progress, and how a job is called."""
