"""What a person looks at of a whole archive: a page over an audit store, a report for each clip.

`unreel audit report DB --html OUT.html` writes it. Nothing here judges, and the store is only read.
"""
