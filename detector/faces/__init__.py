"""Faces in a clip: found, followed, cut out upright, and what changes on them that should not."""
