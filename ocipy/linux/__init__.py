"""The kernel, as its manual pages name it.  Nothing clever: no policy, one way to fail (OSError)."""
