"""A client of a worker by grpcio, with code that grpcio-tools made of our .proto.

python3 client.py HOST:PORT; then a command as a line of JSON on its input for each answer on its output. See ../tools/client-process.ts.
"""

import json
import sys
import threading

import grpc
import iluvatar_rpc_pb2 as messages
import iluvatar_rpc_pb2_grpc as services
from google.protobuf import json_format, message_factory

METHODS = messages.DESCRIPTOR.services_by_name["IluvatarWorker"].methods_by_name
LARGEST = 64 * 1024 * 1024
LIMITS = [("grpc.max_receive_message_length", LARGEST), ("grpc.max_send_message_length", LARGEST)]


def started(stub, command):
    request_class = message_factory.GetMessageClass(METHODS[command["method"]].input_type)
    call = getattr(stub, command["method"]).future(
        json_format.ParseDict(command["message"], request_class()),
        timeout=command["timeout_ms"] / 1000 or None,
        metadata=list(command["metadata"].items()),
        compression=grpc.Compression.Gzip if command["gzip"] else None,
    )
    if command["cancel_after_ms"]:
        threading.Timer(command["cancel_after_ms"] / 1000, call.cancel).start()
    return call


def answer(call):
    try:
        message = call.result()
    except grpc.FutureCancelledError:
        return {"code": grpc.StatusCode.CANCELLED.value[0], "error": "cancelled here", "error_class": ""}
    except grpc.RpcError as error:
        trailers = dict(error.trailing_metadata() or ())
        return {
            "code": error.code().value[0],
            "error": error.details(),
            "error_class": trailers.get("iluvatar-error-class", ""),
        }
    fields = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True, use_integers_for_enums=True
    )
    return {"message": fields}


def main():
    with grpc.insecure_channel(sys.argv[1], LIMITS) as channel:
        stub = services.IluvatarWorkerStub(channel)
        for line in sys.stdin:
            command = json.loads(line)
            calls = [started(stub, command) for _ in range(command["copies"])]
            print(json.dumps([answer(call) for call in calls]), flush=True)


main()
