"""The letterbox: parts of a request in, a future of an answer out. No session, no template, no Flask.

`reading` turns a request into a ping, `body` keeps its output, `writer` commits what arrived together, `letterbox`
puts them together, `wsgi` hands it to gunicorn.
"""
