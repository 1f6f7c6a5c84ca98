"""Reads the golden bytes with another implementation of Avro and compares them with the golden JSON.

    python3 -m venv venv && venv/bin/pip install fastavro && venv/bin/python schemas/tests/foreign.py

Ends with 1 and the names of what differs, or with 2 if there is no fastavro.
"""

import datetime
import io
import json
import math
import pathlib
import re
import sys
import uuid

try:
    import fastavro
except ImportError:
    print("fastavro is missing: run `pip install fastavro` in a virtual environment", file=sys.stderr)
    sys.exit(2)

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE / "golden"
AVRO = HERE.parent / "avro"

FRAME_BYTES = 5
# The one kind of a union whose name in JSON is not that of its record.
NAMES = {"Interval": "range"}


def plain(value):
    """The JSON form of a value as fastavro gives it."""
    if isinstance(value, tuple):
        # A union of several records: in JSON an object whose key is the kind.
        name, fields = value
        name = name.rsplit(".", 1)[-1]
        return {NAMES.get(name) or re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): plain(fields)}
    if isinstance(value, dict):
        return {key: plain(it) for key, it in value.items()}
    if isinstance(value, list):
        return [plain(it) for it in value]
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, datetime.datetime):
        precision = "milliseconds" if value.microsecond else "seconds"
        return value.astimezone(datetime.timezone.utc).isoformat(timespec=precision).replace("+00:00", "Z")
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def differences(path, expected, found):
    """Where two JSON values differ; 1 and 1.0, 0.0 and -0.0, 1 and true are different, too."""
    if type(expected) is not type(found):
        yield f"{path}: expected {expected!r}, found {found!r}"
    elif isinstance(expected, dict):
        for key in sorted(expected.keys() | found.keys()):
            if key not in expected or key not in found:
                yield f"{path}.{key}: only {'expected' if key in expected else 'found'}"
            else:
                yield from differences(f"{path}.{key}", expected[key], found[key])
    elif isinstance(expected, list):
        if len(expected) != len(found):
            yield f"{path}: expected {len(expected)} items, found {len(found)}"
        for index, (one, other) in enumerate(zip(expected, found)):
            yield from differences(f"{path}[{index}]", one, other)
    elif repr(expected) != repr(found):
        yield f"{path}: expected {expected!r}, found {found!r}"


def check(name):
    """Every difference in one golden file."""
    schema_name = name.rsplit(".", 1)[0]
    schema = fastavro.parse_schema(json.loads((AVRO / f"{schema_name}.avsc").read_text(encoding="utf-8")))
    framed = bytes.fromhex((GOLDEN / f"{name}.hex").read_text(encoding="utf-8"))
    expected = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    if framed[0] != 0:
        yield f"{name}: no magic byte"
    datum = io.BytesIO(framed[FRAME_BYTES:])
    # A name is wanted only where a union has several records.
    value = fastavro.schemaless_reader(datum, schema, return_record_name=True, return_record_name_override=True)
    if datum.read():
        yield f"{name}: bytes are left over"
    yield from differences(name, expected, plain(value))


def main():
    schemas = {path.name.removesuffix(".avsc") for path in AVRO.glob("*.avsc")}
    names = {f"{schema}.{kind}" for schema in schemas for kind in ("full", "minimal")}
    missing = [name for name in sorted(names) if not (GOLDEN / f"{name}.hex").exists()]
    found = [f"{name}: no golden file" for name in missing]
    for name in sorted(names - set(missing)):
        found.extend(check(name))
    for it in found:
        print(it, file=sys.stderr)
    if found or not names:
        sys.exit(1)
    print(f"{len(names)} golden files of {len(schemas)} schemas read alike by fastavro {fastavro.__version__}")


if __name__ == "__main__":
    main()
