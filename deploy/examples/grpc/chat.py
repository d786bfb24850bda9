#!/usr/bin/env python3
"""An example client of baton.v1.Inference in Python, from the published .proto files.

    chat.py HOST:PORT QUESTION [API_KEY]

It asks one question and prints the answer as it comes. It needs protoc, grpcio and protobuf
(Debian: protobuf-compiler python3-grpcio python3-protobuf).
"""
import pathlib
import subprocess
import sys
import tempfile

import grpc

PROTOS = pathlib.Path(__file__).resolve().parents[3] / "proto"
FILES = ("request", "inference", "rpc_status")
PATIENCE_S = 120


def messages():
    """The generated modules: (inference_pb2, request_pb2, rpc_status_pb2)."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["protoc", "-I", PROTOS, f"--python_out={folder}",
                        *(f"baton/v1/{name}.proto" for name in FILES)], check=True)
        sys.path.insert(0, folder)
        try:
            from baton.v1 import inference_pb2, request_pb2, rpc_status_pb2
        finally:
            sys.path.remove(folder)
    return inference_pb2, request_pb2, rpc_status_pb2


def explain(error, rpc_status):
    """What a program can act on, from the status' details."""
    told = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    status = rpc_status.Status.FromString(told or b"")
    said = [error.details()]
    for detail in status.details:
        for kind in (rpc_status.ErrorInfo, rpc_status.BadRequest, rpc_status.RetryInfo):
            if detail.Is(kind.DESCRIPTOR):
                message = kind()
                detail.Unpack(message)
                said.append(str(message).strip().replace("\n", " "))
    return "\n".join(said)


def main(address, question, key=""):
    inference, request, rpc_status = messages()
    metadata = (("authorization", f"Bearer {key}"),) if key else ()
    asked = inference.ChatRequest(
        messages=[inference.ChatMessage(role="user", content=question)],
        sampling=request.SamplingParams(temperature=0))
    with grpc.insecure_channel(address) as channel:
        chat = channel.unary_stream("/baton.v1.Inference/Chat",
                                    request_serializer=inference.ChatRequest.SerializeToString,
                                    response_deserializer=inference.ChatResponse.FromString)
        try:
            for event in chat(asked, timeout=PATIENCE_S, metadata=metadata):
                if event.HasField("delta"):
                    print(event.delta.content, end="", flush=True)
                else:
                    print(f"\n({event.usage.prompt_tokens} tokens in, "
                          f"{event.usage.completion_tokens} out)")
        except grpc.RpcError as error:
            sys.exit(explain(error, rpc_status))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
