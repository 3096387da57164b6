"""A local web page to drop videos on, and a REST API behind it; the audit store lies underneath.

`unreel serve` (extra serve) starts it. Nothing here fetches anything: files come from the person
at the page, never from an address or a path that a request names.
"""
