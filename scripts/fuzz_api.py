"""What schemathesis does not know about the API by itself; scripts/fuzz-api has it read this.

Names and uploads made at random are of nothing that is there and hardly ever right: most of them are replaced by what the
proxy has, and by uploads it takes."""

import zlib

import schemathesis

# The keys of each table's rows, and two uploads of it.
TABLES = {
    "rates": (["49", "4930"], "prefixes", ["prefix,rate,gateways\n49,1,carriers\n4930,2,carriers\n", "prefix\n1\n"]),
    "dids": (["4930123"], "numbers", ["number,dst_uri\n4930123,sip:192.0.2.9\n", "number,customer\n+4940,a\n"]),
    "trunks": (["pushed/a"], "gateways", ["set,id,uri\npushed,a,sip:192.0.2.3\n", "set,id,uri,weight\ncarriers,c,sip:192.0.2.4,3\n"]),
    "hours": (["open"], "schedules", ["name,time_zone,weekly\nopen,Europe/Berlin,\"[\"\"mon-fri 09:00-17:00\"\"]\"\n"]),
    "people": (["alice"], "users", ["user,realm\nalice,example.org\n", "user\nbob\n"]),
    "pairs": (["a"], "kv", ["key,value\na,1\nb,2\n", "key\n\"a,\"\"b\"\n"]),
}
LINES = {
    "rates": '{"op":"upsert","key":"49","row":{"rate":3}}\n{"op":"upsert","row":{"prefix":"4931"}}\n',
    "dids": '{"op":"upsert","row":{"number":"4930124","dst_uri":"sip:192.0.2.9"}}\n',
    "trunks": '{"op":"delete","key":"pushed/a"}\n',
    "pairs": '{"op":"upsert","key":"a","row":{"value":{"b":[1,null]}}}\n',
}
OTHERS = {"set": ["carriers", "pushed"], "id": ["a", "b"], "version": [1, 2, 3], "call_id": ["a@192.0.2.1"]}


def pick(seed, choices):
    """One of them, the same for the same seed; none for one seed of four."""
    number = zlib.crc32(repr(seed).encode("utf-8", "replace"))
    return choices[number // 4 % len(choices)] if number % 4 else None


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
    for name in ("from", "to"):
        if query and (number := pick(query.get(name), OTHERS["version"])):
            query[name] = number
    return query


@schemathesis.hook
def map_path_parameters(ctx, path_parameters):
    # The table first: keys are of one.
    for name, value in sorted((path_parameters or {}).items(), reverse=True):
        known = list(TABLES) if name == "table" else OTHERS.get(name)
        if name == "key" and path_parameters.get("table") in TABLES:
            known = TABLES[path_parameters["table"]][0]
        if known and (chosen := pick(value, known)):
            path_parameters[name] = chosen
    return path_parameters


@schemathesis.hook
def map_case(ctx, case):
    """Uploads that are taken, for most tables that are known. A table that was removed comes back with the next one."""
    table = (case.path_parameters or {}).get("table")
    if case.method == "PUT" and case.path == "/api/v1/tables/{table}" and table in TABLES:
        _, kind, uploads = TABLES[table]
        if case.media_type == "text/csv" and (upload := pick(case.body, uploads)):
            case.body = upload
            case.query = dict(case.query or {}, kind=kind)
            if case.headers:
                for name in ("If-Match", "If-None-Match", "Content-Encoding"):
                    case.headers.pop(name, None)
    if case.method == "PATCH" and table in LINES and pick(case.body, ["it"]):
        case.body = LINES[table]
    if case.path == "/api/v1/releases" and (table := pick(case.body, list(TABLES))):
        case.body = {"activate": {table: 1}}
    return case
