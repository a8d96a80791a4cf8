"""The official Finix SDK against the small Finix of the sandbox: webhooks and what a flow leaves to be read.

Usage: small_finix.py URL. The last line is `python: N deliveries verified`; anything unexpected is an exception.
"""

import hashlib
import hmac
import json
import sys
import time
import urllib.request
from base64 import b64encode

import finix
from finix.model.create_webhook_request import CreateWebhookRequest
from finix.model.create_webhook_request_authentication import CreateWebhookRequestAuthentication
from finix.model.create_webhook_request_authentication_bearer import CreateWebhookRequestAuthenticationBearer
from finix.model.update_webhook_request import UpdateWebhookRequest
from finix.model.webhook_enabled_events import WebhookEnabledEvents

from story import Receiver

USER, PASSWORD = "USsRhsHYZGBPnQw8CByJyEQW", "8a14c2f9-d94b-4c72-8f5c-a62908e5b30e"
FLOW = "card-present-capture"


def client(url, user):
    return finix.FinixClient(finix.Configuration(environment=url + "/finix", username=user, password=PASSWORD))


def play(url):
    credentials = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    request = urllib.request.Request(f"{url}/finix/sandbox/flows/{FLOW}", b"", {"authorization": f"Basic {credentials}"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def a_webhook_is_made_once_its_url_answers(api, receiver):
    events = WebhookEnabledEvents([{"entity": "transfer", "types": ["created", "updated"]}])
    bearer = CreateWebhookRequestAuthenticationBearer(token="f00d")
    authentication = CreateWebhookRequestAuthentication(type="BEARER", bearer=bearer)
    request = CreateWebhookRequest(url=receiver.url + "/finix", enabled_events=events, authentication=authentication)
    made = api.webhooks.create(create_webhook_request=request)
    assert made.id.startswith("WH") and made.enabled and made.authentication["type"] == "BEARER", made
    assert made.enabled_events == [{"entity": "transfer", "types": ["created", "updated"]}], made
    _, headers, ping = receiver.wait_for("/finix", 1)[0]
    assert ping == b"" and headers["authorization"] == "Bearer f00d"
    try:
        api.webhooks.create(create_webhook_request=CreateWebhookRequest(url="http://127.0.0.1:1/nobody"))
        raise AssertionError("nobody answers there")
    except finix.exceptions.ApiException as refused:
        assert refused.status == 422, refused
        assert refused.body[0].code == "INVALID_FIELD" and refused.body[0].field == "url", refused
    return made


def a_webhook_is_read_listed_and_updated(api, stranger, made, receiver):
    assert api.webhooks.get(made.id).secret_signing_key is None
    second = api.webhooks.create(create_webhook_request=CreateWebhookRequest(url=receiver.url + "/second"))
    pages, page = [], api.webhooks.list(limit=1)
    while True:
        pages.append([webhook.id for webhook in page])
        if not page.has_more:
            break
        page = page.list_next()
    assert pages == [[second.id], [made.id]], pages
    assert len(stranger.webhooks.list()) == 0
    changed = api.webhooks.update(second.id, update_webhook_request=UpdateWebhookRequest(enabled=False))
    assert not changed.enabled and changed.url == second.url and changed.enabled_events == []
    try:
        stranger.webhooks.get(made.id)
        raise AssertionError("it is another user's")
    except finix.exceptions.NotFoundException as refused:
        assert refused.body[0].code == "NOT_FOUND", refused


def a_flow_is_delivered_and_read_back(url, api, secret, receiver):
    played = play(url)
    assert played["events"] == ["transfer.created", "transfer.updated"], played
    for _, headers, body in receiver.wait_for("/finix", 3)[1:]:
        fields = dict(field.strip().split("=", 1) for field in headers["finix-signature"].split(","))
        assert abs(time.time() - int(fields["timestamp"])) < 300
        signed = f"{fields['timestamp']}:".encode() + body
        assert hmac.compare_digest(hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest(), fields["sig"])
        assert headers["authorization"] == "Bearer f00d"
        assert json.loads(body)["_embedded"]["transfers"][0]["id"] == played["ids"][0]
    transfer = api.transfers.get(played["ids"][0])
    assert transfer.state == "SUCCEEDED" and transfer.amount > 0, transfer
    assert [each.id for each in api.transfers.list()] == played["ids"]
    return 2


def main(url):
    receiver, api, stranger = Receiver(), client(url, USER), client(url, "somebody_else")
    made = a_webhook_is_made_once_its_url_answers(api, receiver)
    a_webhook_is_read_listed_and_updated(api, stranger, made, receiver)
    verified = a_flow_is_delivered_and_read_back(url, api, made.secret_signing_key, receiver)
    print(f"python: {verified} deliveries verified")


main(*sys.argv[1:])
