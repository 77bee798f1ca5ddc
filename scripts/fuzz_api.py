"""What schemathesis does not know about the API by itself; scripts/fuzz-api has it read this."""

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def ndjson(ctx, value):
    """Lines are text already."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@schemathesis.hook
def map_query(ctx, query):
    """Waiting is tested elsewhere; here it would only take time."""
    for name in ("wait", "watch"):
        if query and name in query:
            query[name] = "5ms"
    return query
