"""Pairs of one camera clip and what a machine made of it, encoded alike.

Pairs teach the traces of decoders instead of content: both halves show the same scene, went through
the same encoder and differ in nothing but where their pixels come from.
"""
