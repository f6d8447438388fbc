"""Networks: what they are, how they are trained, what they say of samples and why."""
