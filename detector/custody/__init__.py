"""Chain of custody: what was examined, with what, what came out; signed, to be checked later."""
