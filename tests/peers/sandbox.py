"""The official Fintoc SDK for Python, unmodified, asks the sandbox as it would ask Fintoc.

Usage: sandbox.py URL. The last line is `python: N deliveries verified`; anything unexpected is an exception.
"""

import json
import sys
import time
import urllib.request

from fintoc import Fintoc
from fintoc.errors import InvalidRequestError
from fintoc.webhook import WebhookSignature

from story import Receiver

KEY = "sk_test_of_the_python_sdk"
TYPES = [f"account.refresh_intent.{outcome}" for outcome in ("succeeded", "failed", "rejected")]


def control(url, path, body):
    """What people and banks would do."""
    headers = {"authorization": KEY, "content-type": "application/json"}
    request = urllib.request.Request(f"{url}/fintoc/sandbox{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def refused(call, code):
    try:
        call()
    except InvalidRequestError as error:
        assert code in str(error), error
    else:
        raise AssertionError(f"{code} was expected")


def verified(delivery, secret):
    """An event, as the SDK's user would take it."""
    _, headers, body = delivery
    WebhookSignature.verify_header(body.decode(), headers["fintoc-signature"], secret)
    return json.loads(body)


def ended(client, token):
    for _ in range(600):
        intent = next(iter(client.refresh_intents.list(link_token=token)))
        if intent.status != "created":
            return intent.status
        time.sleep(0.05)
    raise AssertionError("the refresh did not end")


def main(url):
    receiver = Receiver()
    client = Fintoc(KEY)
    client._client.base_url = f"{url}/fintoc"

    endpoint = client.webhook_endpoints.create(url=receiver.url + "/", enabled_events=TYPES, description="books")
    assert endpoint.secret.startswith("whsec_") and endpoint.status == "enabled" and endpoint.mode == "test"
    assert client.webhook_endpoints.get(endpoint.id).secret is None
    assert [one.id for one in client.webhook_endpoints.list()] == [endpoint.id]

    made = control(url, "/links", {"outcomes": ["succeeded", "failed", "rejected"], "newMovements": 4})
    token = made["link_token"]
    link = client.links.get(token)
    accounts = [account.id for account in link.accounts.list()]
    assert accounts == [account["id"] for account in made["accounts"]]
    before = len(list(client.accounts.movements.list(account_id=accounts[0], link_token=token)))

    # three accounts, three outcomes, three events; the next is allowed at once
    intent = client.refresh_intents.create(link_token=token, refresh_type="only_last")
    assert intent.status == "created" and intent.refreshed_object_id == made["id"]
    refused(lambda: client.refresh_intents.create(link_token=token), "refresh_intent_in_progress")
    events = [verified(delivery, endpoint.secret) for delivery in receiver.wait_for("/", 3)]
    outcomes = {event["data"]["refreshed_object_id"]: event["data"] for event in events}
    assert [outcomes[account]["status"] for account in accounts] == ["succeeded", "failed", "rejected"]
    assert outcomes[accounts[0]]["new_movements"] == 4
    movements = list(client.accounts.movements.list(account_id=accounts[0], link_token=token))
    assert len(movements) == before + 4 and movements[0].object == "movement"
    assert ended(client, token) == "failed"
    client.refresh_intents.create(link_token=token)

    # after a success it has to wait
    made = control(url, "/links", {"accounts": 1, "outcomes": ["succeeded"]})
    client.refresh_intents.create(link_token=made["link_token"])
    assert ended(client, made["link_token"]) == "succeeded"
    refused(lambda: client.refresh_intents.create(link_token=made["link_token"]), "rate_limit_exceeded")

    payment = client.payment_intents.create(amount=12_000, currency="CLP")
    control(url, f"/payment_intents/{payment.id}/succeeded", {})
    assert client.payment_intents.get(payment.id).status == "succeeded"
    refund = client.refunds.create(resource_type="payment_intent", resource_id=payment.id, amount=2_000)
    assert refund.amount == 2_000

    refused(lambda: client.webhook_endpoints.create(url=receiver.url, enabled_events=["link.created"]), "enabled_events")
    assert client.webhook_endpoints.update(endpoint.id, disabled=True).status == "disabled"
    client.webhook_endpoints.delete(endpoint.id)
    assert list(client.webhook_endpoints.list()) == []
    print(f"python: {len(events)} deliveries verified")


main(sys.argv[1])
