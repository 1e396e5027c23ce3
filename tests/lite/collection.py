"""Does one thing with a collection and prints, as JSON, what pymilvus then says of it.

collection.py URL COLLECTION create|index|delete|release FILTER...
"""

import json
import sys

from pymilvus import DataType, MilvusClient, MilvusException

url, name, action, *filters = sys.argv[1:]
client = MilvusClient(uri=url)

if action == "create":
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("batch", DataType.VARCHAR, max_length=32)
    schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=4)
    client.create_collection(name, schema=schema)
    rows = [{"id": i, "batch": "24" if i < 30 else "25", "embedding": [i, 1, 2, 3]} for i in range(50)]
    client.insert(name, rows)
    client.load_collection(name)
elif action == "index":
    index = client.prepare_index_params()
    index.add_index("embedding", index_type="FLAT", metric_type="L2")
    client.create_index(name, index)
elif action == "delete":
    client.delete(name, ids=[0])
elif action == "release":
    client.release_collection(name)
else:
    sys.exit(f"unknown action {action}")


def index(of):
    seen = client.describe_index(name, of)
    return {"name": seen["index_name"], "state": seen["state"], "pending": seen["pending_index_rows"]}


def count(of):
    try:
        return client.query(name, filter=of, output_fields=["count(*)"])[0]["count(*)"]
    except MilvusException as error:
        return f"code {error.code}"


print(
    json.dumps(
        {
            "state": client.get_load_state(name)["state"].name,
            "indexes": [index(of) for of in client.list_indexes(name)],
            "counts": [count(of) for of in filters],
        }
    )
)
