"""A receiver behind Posthaste: each event is booked once, in the transaction that remembers its id.

Usage: handler.py SECRET DATABASE PORT; needs the package `standardwebhooks`.
"""

import json, sqlite3, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from standardwebhooks import Webhook

secret, database, port = sys.argv[1:]
books = sqlite3.connect(database, isolation_level=None)
books.execute("pragma journal_mode = wal")
books.execute("create table if not exists payment (webhook_id text primary key, amount integer)")


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        Webhook(secret).verify(body, {name.lower(): value for name, value in self.headers.items()})
        amount = json.loads(body)["data"]["amount"]
        books.execute("insert or ignore into payment values (?, ?)", (self.headers["webhook-id"], amount))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
