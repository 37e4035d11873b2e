"""Hands out the work. One JSON request a line on stdin, one JSON answer a line on stdout."""

import json
import os
import sys

from celery.result import ResultSet

from tasks import add, app, generate, thumbnail

FAN_IN = 5


def thumbnails(pairs, side):
    results = [thumbnail.delay(source, target, side) for source, target in pairs]
    ResultSet(results, app=app).get(disable_sync_subtasks=False)
    return {"tasks": len(results)}


def averages(folder, files, columns):
    """Groups of five are generated, summed, and their sums summed by five as they arrive; the last is divided."""
    made = [generate.delay(folder, first, min(FAN_IN, files - first), columns) for first in range(0, files, FAN_IN)]
    level = []
    count = 0
    for paths in arriving(made):
        level.append(add.delay(paths, os.path.join(folder, f"sum-{count}")))
        count += 1
    while len(level) > 1:
        above = []
        group = []
        for path in arriving(level):
            group.append(path)
            if len(group) == FAN_IN:
                above.append(add.delay(group, os.path.join(folder, f"sum-{count}")))
                count += 1
                group = []
        if group:
            above.append(add.delay(group, os.path.join(folder, f"sum-{count}")))
            count += 1
        level = above
    with open(level[0].get(), encoding="ascii") as file:
        sums = map(int, file.read().split())
        result = " ".join(repr(total / files) for total in sums)
    with open(os.path.join(folder, "final.txt"), "w", encoding="ascii") as file:
        file.write(result)
    return {"tasks": count, "result": result}


def arriving(results):
    """What they return, in the order in which it comes."""
    for _id, meta in ResultSet(results, app=app).iter_native():
        if meta["status"] != "SUCCESS":
            raise RuntimeError(meta)
        yield meta["result"]


WORK = {"thumbnails": thumbnails, "averages": averages}

if __name__ == "__main__":
    for line in sys.stdin:
        request = json.loads(line)
        answer = WORK[request.pop("work")](**request)
        print(json.dumps(answer), flush=True)
