#!/usr/bin/env python3
"""An app and its client that speak gRPC by gRPC's own library.

usage: grpc_peer.py serve             prints the port it listens on; ends with its input
       grpc_peer.py call PORT AUTHORITY CA_FILE COOKIE
                                      makes a call of each kind through a gateway; prints what came as JSON
"""

import json
import sys
from concurrent import futures

import grpc


class Echo(grpc.GenericRpcHandler):
    """Says back what it is told, in the way that the method's name says."""

    def service(self, details):
        def one(request, context):
            context.set_trailing_metadata((("x-told", "one"),))
            return request + b"|" + dict(context.invocation_metadata()).get("x-access-email", "nobody").encode()

        def many(request, context):
            for number in range(5):
                yield request + str(number).encode()
            context.set_trailing_metadata((("x-told", "many"),))

        def both(requests, context):
            for request in requests:
                yield request[::-1]

        def refuse(request, context):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today")

        return {
            "/echo.Echo/One": grpc.unary_unary_rpc_method_handler(one),
            "/echo.Echo/Many": grpc.unary_stream_rpc_method_handler(many),
            "/echo.Echo/Both": grpc.stream_stream_rpc_method_handler(both),
            "/echo.Echo/Refuse": grpc.unary_unary_rpc_method_handler(refuse),
        }.get(details.method)


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((Echo(),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(None)


def call(port, authority, ca_file, cookie):
    with open(ca_file, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    options = [
        ("grpc.ssl_target_name_override", authority.split(":")[0]),
        ("grpc.default_authority", authority),
        # Everything goes to loopback, whatever the environment says of proxies.
        ("grpc.enable_http_proxy", 0),
    ]
    known = {"metadata": (("cookie", cookie),), "timeout": 20}
    told = {}
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options) as channel:
        answer, done = channel.unary_unary("/echo.Echo/One").with_call(b"hello", **known)
        told["one"] = [answer.decode(), dict(done.trailing_metadata()).get("x-told")]
        many = channel.unary_stream("/echo.Echo/Many")(b"n", **known)
        told["many"] = [[piece.decode() for piece in many], dict(many.trailing_metadata()).get("x-told")]
        words = (b"abc", b"def", b"x" * 300_000)
        told["both"] = [len(piece) for piece in channel.stream_stream("/echo.Echo/Both")(iter(words), **known)]
        for name, keywords in (("Refuse", known), ("Unknown", known), ("One", {"timeout": 20})):
            try:
                channel.unary_unary(f"/echo.Echo/{name}")(b"hello", **keywords)
            except grpc.RpcError as error:
                told[f"refused {name}"] = [error.code().name, error.details()]
    print(json.dumps(told))


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    elif len(sys.argv) == 6 and sys.argv[1] == "call":
        call(*sys.argv[2:])
    else:
        sys.exit(__doc__)
