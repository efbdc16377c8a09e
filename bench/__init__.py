"""Times ocipy beside its peers: the same work, in one run, in one environment."""
