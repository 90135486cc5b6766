"""The letterbox: parts of a request in, a promise of an answer out. No session, no template, no Flask.

`reading` turns a request into a ping, `body` keeps its output, `letterbox` puts them together, `writer` commits what
arrived together, `backlog` keeps what the database can't take now, `limits` and `answers` are what their names say,
`door` opens it all, and `asgi` and `wsgi` hand it to servers.
"""
