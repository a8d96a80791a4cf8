"""Behind a Fintoc source of Posthaste: books each payment once, when it has succeeded for good.

Usage: handler.py SECRET DATABASE PORT. SECRET is that of the source's endpoint. Needs Python 3.10, `standardwebhooks`.

A payment is money that came in: a payment intent, or a charge of a subscription. Its own event, `….succeeded`, books it
under its own id, whatever comes twice or late. A finished checkout only repeats the payment inside, refunds and payouts
are money that goes out: these, and the types of tomorrow, are answered 200 and book nothing.
"""

import json, sqlite3, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from standardwebhooks import Webhook, WebhookVerificationError

secret, database, port = sys.argv[1:]
webhook, turn = Webhook(secret), threading.Lock()
books = sqlite3.connect(database, isolation_level=None, check_same_thread=False)  # each statement commits
books.executescript("""pragma journal_mode = wal; pragma synchronous = full;
    create table if not exists payment (id text primary key, amount integer not null, currency text not null);""")


def take(event):
    """Books what there is to book, then says what to answer."""
    match event:
        case {"type": "payment_intent.succeeded" | "charge.succeeded" as name, "data": {
            "object": kind, "status": "succeeded", "id": str(payment), "amount": amount, "currency": str(currency),
        }} if name == f"{kind}.succeeded" and payment and currency and type(amount) is int and 0 < amount < 1 << 63:
            row = (payment, amount, currency)
            with turn:
                books.execute("insert into payment values (?, ?, ?) on conflict do nothing", row)
                booked = books.execute("select * from payment where id = ?", row[:1]).fetchone()
            return 200 if booked == row else 409  # the same payment, another amount
        case {"type": "payment_intent.succeeded" | "charge.succeeded"}:
            return 400  # a payment that cannot be read: people have to see it fail
    return 200 if isinstance(event, dict) else 400


class Handler(BaseHTTPRequestHandler):
    protocol_version, timeout = "HTTP/1.1", 30  # seconds of silence, then the connection is closed

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or len(length) > 7 or int(length) > 1_048_576:  # no source takes more
            return self.answer(413 if length.isdecimal() else 411)
        body = self.rfile.read(int(length))
        try:
            webhook.verify(body, dict(self.headers), json_parse=False)
        except (WebhookVerificationError, ValueError):
            return self.answer(401)
        try:
            status = take(json.loads(body))
        except (ValueError, RecursionError):
            status = 400
        except sqlite3.Error:
            status = 503  # it comes again
        self.answer(status)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        if status != 200:
            self.send_header("connection", "close")
        self.end_headers()

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # who hung up comes again


ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
