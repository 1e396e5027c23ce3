"""Writes a table with pyiceberg and prints where it then stands: the location of its metadata, and its current snapshot; null
where there is none.

Arguments: CATALOG-PROPERTIES TABLE ACTION...
"""

import json
import sys

import pyarrow
from pyiceberg.catalog import load_catalog


SCHEMA = pyarrow.schema([("id", pyarrow.int64()), ("name", pyarrow.string())])


def rows(count):
    numbers = range(count)
    return pyarrow.table({"id": numbers, "name": [f"product {number}" for number in numbers]}, schema=SCHEMA)


def act(catalog, name, action):
    verb, _, argument = action.partition("=")
    if verb == "create":
        catalog.create_namespace_if_not_exists(name.rpartition(".")[0])
        catalog.create_table(name, schema=SCHEMA)
        return
    if verb == "drop":
        catalog.drop_table(name)
        return
    table = catalog.load_table(name)
    current = table.current_snapshot()
    if verb == "append":
        table.append(rows(int(argument)))
    elif verb == "tag":
        table.manage_snapshots().create_tag(current.snapshot_id, argument).commit()
    elif verb == "branch":
        table.manage_snapshots().create_branch(current.snapshot_id, argument).commit()
    elif verb == "append-to":
        branch, _, count = argument.partition(":")
        table.append(rows(int(count)), branch=branch)
    elif verb == "expire":
        table.maintenance.expire_snapshots().by_id(int(argument)).commit()
    else:
        sys.exit(f"unknown action {action}")


def main(properties, name, *actions):
    catalog = load_catalog("lake", **json.loads(properties))
    for action in actions:
        act(catalog, name, action)
    table = catalog.load_table(name) if catalog.table_exists(name) else None
    current = table and table.current_snapshot()
    print(json.dumps(current and {"location": table.metadata_location, "snapshot": current.snapshot_id}))


main(*sys.argv[1:])
