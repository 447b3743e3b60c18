"""Our claims as runnable comparisons; README.md tells how to read them."""
