"""Python's part of the bench: `loops.py objects|numbers` prints what it computed."""
import json
import math
import sys


def objects():
    """Dictionaries, strings, lists, and JSON there and back."""
    counts = {}
    for i in range(60000):
        key = "key%d" % (i * 7919 % 997)
        counts[key] = counts.get(key, 0) + i
    words = sorted(counts, key=lambda name: (counts[name], name))
    text = json.dumps([{"name": word, "count": counts[word], "rest": [1.5, None, True]} for word in words])
    total = 0
    for _ in range(6):
        total += sum(record["count"] for record in json.loads(text))
    return total, hash(len(text)), words[:3]


def numbers():
    """Loops over integers and floating-point numbers."""
    total = 0
    for i in range(250000):
        total = (total * 31 + i) % 1000003
    x = 0.0
    for i in range(1, 100000):
        x += math.sin(i) / i
    return total, "%.12f" % x


print({"objects": objects, "numbers": numbers}[sys.argv[1]]())
