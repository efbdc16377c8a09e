"""Facts and configuration in, an immutable plan out.  Pure: no os, no files, no clock."""
