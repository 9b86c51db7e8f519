"""Envoy's `envoy.service.ratelimit.v3.RateLimitService` over gRPC, answered by `Limits`.

The messages are described here field by field, as in envoy/service/ratelimit/v3/rls.proto and
envoy/extensions/common/ratelimit/v3/ratelimit.proto; fields that are not named here are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reelwright.kernel.errors import Invalid, MissingExtra
from reelwright.limits.contract import Limit, StoreUnavailable
from reelwright.limits.core.rules import ENVOY_UNITS_S
from reelwright.limits.service import Described, Limits, Status

try:
    import grpc
    from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, message_factory, wrappers_pb2
except ImportError as error:
    raise MissingExtra("grpc", "Envoy's rate limit service over gRPC") from error

SERVICE = "envoy.service.ratelimit.v3.RateLimitService"
METHOD = "ShouldRateLimit"
OK, OVER_LIMIT = 1, 2
MESSAGE_BYTES_MOST = 1 << 20
DESCRIPTORS_MOST = 100
UNITS = {"second": 1, "minute": 2, "hour": 3, "day": 4, "month": 5, "year": 6, "week": 7}
_KINDS = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "reelwright.envoy"
Field = tuple[str, int, int | str, bool]
"""Name, number, type (or the message's name), repeated."""
_STRING, _UINT32, _ENUM = _KINDS.TYPE_STRING, _KINDS.TYPE_UINT32, _KINDS.TYPE_INT32
"""An enumeration is a varint on the wire, as int32 is."""
_MESSAGES: dict[str, tuple[Field, ...]] = {
    "Entry": (("key", 1, _STRING, False), ("value", 2, _STRING, False)),
    "Override": (("requests_per_unit", 1, _UINT32, False), ("unit", 2, _ENUM, False)),
    "Descriptor": (
        ("entries", 1, "Entry", True),
        ("limit", 2, "Override", False),
        ("hits_addend", 3, ".google.protobuf.UInt64Value", False),
    ),
    "Request": (
        ("domain", 1, _STRING, False),
        ("descriptors", 2, "Descriptor", True),
        ("hits_addend", 3, _UINT32, False),
    ),
    "RateLimit": (("requests_per_unit", 1, _UINT32, False), ("unit", 2, _ENUM, False), ("name", 3, _STRING, False)),
    "DescriptorStatus": (
        ("code", 1, _ENUM, False),
        ("current_limit", 2, "RateLimit", False),
        ("limit_remaining", 3, _UINT32, False),
        ("duration_until_reset", 4, ".google.protobuf.Duration", False),
    ),
    "Response": (("overall_code", 1, _ENUM, False), ("statuses", 2, "DescriptorStatus", True)),
}


def _made() -> dict[str, Any]:
    """The message classes."""
    file = descriptor_pb2.FileDescriptorProto(name="reelwright/envoy.proto", package=_PACKAGE, syntax="proto3")
    file.dependency.extend([duration_pb2.DESCRIPTOR.name, wrappers_pb2.DESCRIPTOR.name])
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            label = _KINDS.LABEL_REPEATED if repeated else _KINDS.LABEL_OPTIONAL
            made = message.field.add(name=field, number=number, label=label)
            if isinstance(kind, str):
                made.type = _KINDS.TYPE_MESSAGE
                made.type_name = kind if kind.startswith(".") else f".{_PACKAGE}.{kind}"
            else:
                made.type = kind
    pool = descriptor_pool.DescriptorPool()
    for known in (duration_pb2.DESCRIPTOR, wrappers_pb2.DESCRIPTOR):
        pool.AddSerializedFile(known.serialized_pb)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


MESSAGES = _made()


async def serve_grpc(limits: Limits, *, host: str, port: int) -> tuple[Any, int]:
    """A server that has started, and its port; whoever gets it stops it."""
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", MESSAGE_BYTES_MOST)])
    handler = grpc.unary_unary_rpc_method_handler(
        _handler(limits),
        request_deserializer=MESSAGES["Request"].FromString,
        response_serializer=MESSAGES["Response"].SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    bound = server.add_insecure_port(f"{host}:{port}")
    if not bound:
        raise Invalid(f"cannot listen on {host}:{port}; is the port taken?")
    await server.start()
    return server, bound


def _handler(limits: Limits) -> Any:
    async def should_rate_limit(request: Any, context: Any) -> Any:
        try:
            described = _described(request)
            statuses = await limits.decide_each(request.domain, described, hits=request.hits_addend or 1)
        except Invalid as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except StoreUnavailable as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return _response(statuses)

    return should_rate_limit


def _described(request: Any) -> list[Described]:
    if not request.domain:
        raise Invalid("rate limit domain must not be empty")
    if not 0 < len(request.descriptors) <= DESCRIPTORS_MOST:
        raise Invalid(f"from 1 to {DESCRIPTORS_MOST} descriptors, got {len(request.descriptors)}")
    return [_one(descriptor) for descriptor in request.descriptors]


def _one(descriptor: Any) -> Described:
    limits: tuple[Limit, ...] = ()
    if descriptor.HasField("limit"):
        unit = next((name for name, number in UNITS.items() if number == descriptor.limit.unit), "")
        if not unit:
            raise Invalid(f"a unit is one of {', '.join(UNITS)}, got number {descriptor.limit.unit}")
        count, period_ns = descriptor.limit.requests_per_unit, ENVOY_UNITS_S[unit] * 10**9
        limits = (Limit(name="override", count=count, period_ns=period_ns, algorithm="window"),)
    hits = descriptor.hits_addend.value if descriptor.HasField("hits_addend") else None
    return Described(tuple((entry.key, entry.value) for entry in descriptor.entries), limits, hits)


def _response(statuses: Sequence[Status]) -> Any:
    over = any(not status.allowed for status in statuses)
    return MESSAGES["Response"](
        overall_code=OVER_LIMIT if over else OK, statuses=[_status(status) for status in statuses]
    )


def _status(status: Status) -> Any:
    told = MESSAGES["DescriptorStatus"](code=OK if status.allowed else OVER_LIMIT)
    verdict = status.verdict
    if verdict is not None:
        seconds = verdict.limit.period_ns // 10**9
        unit = next((name for name, length in ENVOY_UNITS_S.items() if length == seconds), "")
        told.current_limit.requests_per_unit = min(verdict.limit.count, 2**32 - 1)
        told.current_limit.unit = UNITS.get(unit, 0)
        told.current_limit.name = verdict.limit.name
        told.limit_remaining = min(verdict.remaining, 2**32 - 1)
        told.duration_until_reset.seconds = verdict.reset_ns // 10**9
        told.duration_until_reset.nanos = verdict.reset_ns % 10**9
    return told
