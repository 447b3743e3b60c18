"""The doctor: what a machine lacks for the active profile, told before a build spends hours."""
