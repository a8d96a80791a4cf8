"""The official Python SDKs on both sides of a door: what they sign comes in, what Posthaste signs they verify.

Usage: receive.py URL KEY. The last line is `python: N deliveries verified`; anything unexpected is an exception.
"""

import json
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone

from fintoc.errors import WebhookSignatureError
from fintoc.webhook import WebhookSignature
from standardwebhooks import Webhook as StandardWebhook
from svix.api import MessageIn, MessagePollerConsumerPollOptions, PollingEndpointConsumerSeekIn, Svix, SvixOptions
from svix.webhooks import Webhook as SvixWebhook

from story import Receiver

FINTOC, STANDARD = "whsec_3o9rZ4xKbT1VcJzuDgpm4H", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Api:
    """Calls to routes that the SDKs do not know."""

    def __init__(self, url, key):
        self.url, self.key = url, key

    def __call__(self, method, path, body=None):
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers, method=method)) as answer:
            return json.load(answer)

    def source(self, kind, secret, receiver, path):
        source = self("POST", "/ingest/api/v1/source", {"name": kind, "type": kind, "config": {"secrets": [secret]}})
        self("POST", f"/ingest/api/v1/source/{source['id']}/endpoint", {"url": receiver.url + path, "secret": STANDARD})
        return source


def post(url, body, headers):
    """The status of a request to a door."""
    try:
        request = urllib.request.Request(url, body, {"content-type": "application/json", **headers})
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as refused:
        return refused.code


def fintoc_event(number):
    event = {"id": f"evt_{number:08}", "type": "payout.succeeded", "mode": "test", "created_at": "2026-11-25T00:00:00Z"}
    return json.dumps({**event, "data": {"amount": number, "note": "ñandú"}, "object": "event"}, ensure_ascii=False)


def what_fintoc_signs_comes_in(api, receiver):
    source, body, now = api.source("fintoc", FINTOC, receiver, "/fintoc"), fintoc_event(1), int(time.time())
    signature = WebhookSignature._compute_signature(payload=body, timestamp=now, secret=FINTOC)
    header = {"Fintoc-Signature": f"t={now},v1={signature}"}
    assert post(source["ingestUrl"], body.encode(), header) == 200
    assert post(source["ingestUrl"], body.encode() + b" ", header) == 401
    _, headers, delivered = receiver.wait_for("/fintoc", 1)[0]
    assert delivered == body.encode()
    assert WebhookSignature.verify_header(delivered.decode(), headers["fintoc-signature"], FINTOC)
    return source


def what_we_sign_fintoc_accepts(api, svix, receiver):
    app = api("POST", "/api/v1/app", {"name": "as fintoc", "provider": "fintoc"})["id"]
    endpoint = api("POST", f"/api/v1/app/{app}/endpoint", {"url": receiver.url + "/as-fintoc"})["id"]
    secret = svix.endpoint.get_secret(app, endpoint).key
    svix.message.create(app, MessageIn(event_type="charge.failed", payload={"id": "ch_1", "note": "ñandú"}))
    _, headers, body = receiver.wait_for("/as-fintoc", 1)[0]
    assert WebhookSignature.verify_header(body.decode(), headers["fintoc-signature"], secret)
    try:
        WebhookSignature.verify_header(body.decode() + " ", headers["fintoc-signature"], secret)
        raise AssertionError("another body verifies")
    except WebhookSignatureError:
        pass
    event = json.loads(body)
    assert event["object"] == "event" and event["type"] == "charge.failed" and event["mode"] == "test", event
    assert event["id"].startswith("evt_") and event["data"] == {"id": "ch_1", "note": "ñandú"}, event


def what_standard_webhooks_and_svix_sign_comes_in(api, receiver):
    body, now = json.dumps({"type": "invoice.paid", "data": {"n": 1}}), datetime.now(timezone.utc)
    for kind, prefix, webhook in [("standard-webhooks", "webhook", StandardWebhook), ("svix", "svix", SvixWebhook)]:
        source, secret = api.source(kind, STANDARD, receiver, f"/{kind}"), webhook(STANDARD)
        proof = {"id": "msg_1", "timestamp": str(int(now.timestamp())), "signature": secret.sign("msg_1", now, body)}
        headers = {f"{prefix}-{name}": value for name, value in proof.items()}
        assert post(source["ingestUrl"], body.encode(), headers) == 200, kind
        assert post(source["ingestUrl"], body.encode(), {**headers, f"{prefix}-id": "msg_2"}) == 401, kind
        _, sent, delivered = receiver.wait_for(f"/{kind}", 1)[0]
        assert delivered == body.encode(), kind
        if kind == "svix":
            SvixWebhook(STANDARD).verify(delivered, {name: sent[name] for name in headers})


def a_consumer_polls(svix, source):
    app, poller = source["id"], svix.message.poller
    first = poller.consumer_poll(app, "inbox", "a")
    assert [event.event_type for event in first.data] == ["payout.succeeded"] and first.done, first
    assert poller.consumer_poll(app, "inbox", "a").data == first.data
    rest = poller.consumer_poll(app, "inbox", "a", MessagePollerConsumerPollOptions(iterator=first.iterator))
    assert rest.data == [] and poller.consumer_poll(app, "inbox", "a").data == []
    poller.consumer_seek(app, "inbox", "a", PollingEndpointConsumerSeekIn(after=datetime(2026, 1, 1, tzinfo=timezone.utc)))
    assert len(poller.consumer_poll(app, "inbox", "a").data) == 1
    assert len(poller.poll(app, "inbox").data) == 1


def main(url, key):
    api, svix, receiver = Api(url, key), Svix(key, SvixOptions(server_url=url)), Receiver()
    source = what_fintoc_signs_comes_in(api, receiver)
    what_we_sign_fintoc_accepts(api, svix, receiver)
    what_standard_webhooks_and_svix_sign_comes_in(api, receiver)
    a_consumer_polls(svix, source)
    ours = [(sent, body) for path, sent, body in receiver.deliveries if path != "/as-fintoc"]
    for sent, body in ours:
        StandardWebhook(STANDARD).verify(body, sent)
    print(f"python: {len(ours)} deliveries verified")


if __name__ == "__main__":
    main(*sys.argv[1:])
