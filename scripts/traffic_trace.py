"""Writes a trace in Mooncake's format: conversations that grow, all of which begin with the same block.

usage: traffic_trace.py BLOCK LONGEST ROWS >trace.jsonl

BLOCK is the number of tokens that a hash id stands for, LONGEST that of the longest prompt. Ten rows a second arrive.
"""

import json
import random
import sys

block, longest, count = (int(word) for word in sys.argv[1:])
chance = random.Random(7)
conversations = [[0] for _ in range(6)]
last = 0
for row in range(count):
    ids = chance.choice(conversations)
    for _ in range(chance.randint(1, max(1, 200 // block))):
        last += 1
        ids.append(last)
    if len(ids) * block >= longest - block:
        del ids[1:]
    # A prompt ends within a block, which no other prompt has.
    last += 1
    length = len(ids) * block + chance.randint(1, block)
    print(json.dumps({"timestamp": row * 100, "input_length": length, "output_length": 8, "hash_ids": [*ids, last]}))
