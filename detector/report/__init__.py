"""What a person looks at: one HTML file for each clip, a PDF, an overlay video, timelines.

Everything here is made from the record of a scan and the pictures kept beside it; nothing here
judges. `render` in page.py is a pure function: the same record gives the same bytes.
"""
