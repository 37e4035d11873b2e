"""The two classic workloads as tasks of Celery: what a worker does.

Acknowledged when they are done, so that a killed worker's task is given to another; messages are persistent, as by default.
"""

import os
import random

from celery import Celery
from PIL import Image, ImageOps

app = Celery("peer", broker=os.environ["PEER_BROKER"], backend="rpc://")
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=2, result_expires=600, worker_hijack_root_logger=False)


@app.task
def thumbnail(source, target, side):
    with Image.open(source) as image:
        # Decodes at a fraction of the size, as libvips does for JPEG.
        image.draft("RGB", (2 * side, 2 * side))
        upright = ImageOps.exif_transpose(image)
    upright.thumbnail((side, side))
    upright.save(target, "WEBP", quality=80)


@app.task
def generate(folder, first, count, columns):
    """Files of random integers from 1 to 100 in one line. Returns their paths."""
    paths = []
    for number in range(first, first + count):
        path = os.path.join(folder, f"input-{number}")
        with open(path, "w", encoding="ascii") as file:
            file.write(" ".join(map(str, random.choices(range(1, 101), k=columns))))
        paths.append(path)
    return paths


@app.task
def add(paths, target):
    """The element-wise sum of some files as another file. Returns its path."""
    rows = []
    for path in paths:
        with open(path, encoding="ascii") as file:
            rows.append(map(int, file.read().split()))
    with open(target, "w", encoding="ascii") as file:
        file.write(" ".join(map(str, map(sum, zip(*rows)))))
    return target
