"""A first call of Threadline from Python: recognise, remember, recognise again.

Reads THREADLINE_SERVER (host:port) and THREADLINE_API_KEY. The stubs are made
from the protocol files when this is run; nothing needs to be generated first.
"""

import os
import pathlib
import sys
import uuid

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "proto"))
pb, rpc = grpc.protos_and_services("threadline/v1/interaction_service.proto")
context, _ = grpc.protos_and_services("threadline/v1/context.proto")


def main() -> None:
    server = os.environ.get("THREADLINE_SERVER", "127.0.0.1:50051").removeprefix("http://")
    key = [("authorization", "Bearer " + os.environ["THREADLINE_API_KEY"])]
    run = uuid.uuid4().hex[:8]

    # The ten lines that matter.
    threadline = rpc.InteractionServiceStub(grpc.insecure_channel(server))
    hints = {"external_ids": {"crm_id": f"CRM-{run}"}}
    start = pb.StartInteractionRequest(interaction_id=f"chat-{run}", channel="web_chat", identity_hints=hints)
    who = threadline.StartInteraction(start, metadata=key, timeout=3)
    end = pb.EndInteractionRequest(interaction_id=f"chat-{run}", customer_ref=who.customer_ref)
    end.intents.add(intent="billing_dispute", status=context.INTENT_STATUS_OPEN)
    end.summary = "Asked why the invoice is twice the usual amount"
    threadline.EndInteraction(end, metadata=key, timeout=3)
    start.interaction_id, start.channel = f"call-{run}", "voice"
    again = threadline.StartInteraction(start, metadata=key, timeout=3)

    print(f"{who.interaction_id}: new customer {who.new_customer}, {who.customer_ref}")
    print(f"{again.interaction_id}: same customer {again.customer_ref == who.customer_ref}, "
          f"confidence {again.identity.confidence:.2f}")
    for intent in again.open_intents:
        print(f"open: {intent.intent}, attempts {intent.attempt_count}")
    print(again.brief)


if __name__ == "__main__":
    try:
        main()
    except KeyError as missing:
        sys.exit(f"set {missing.args[0]} first: `threadline keys create` prints a key")
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
