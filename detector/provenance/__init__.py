"""What a file says of itself: claims, tags, structure. Never part of the score.

Metadata is written by whoever wrote the file and stripped by whoever passed it on. So what is
found here is reported as a claim or an observation, beside the verdict, and what is absent is never
counted.
"""
