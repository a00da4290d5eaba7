"""Makes a video grey, frame by frame."""

import base64
import os
import tempfile
import time

import cv2
import numpy as np

cold = True


def make_video(path, frames, width, height):
    """A bright square that moves over a colour ramp."""
    ramp = np.zeros((height, width, 3), np.uint8)
    ramp[:, :, 0] = np.linspace(0, 255, width).astype(np.uint8)
    ramp[:, :, 1] = np.linspace(0, 255, height).astype(np.uint8)[:, None]
    ramp[:, :, 2] = 64
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 24, (width, height))
    for i in range(frames):
        frame = ramp.copy()
        left = (i * 8) % (width - 32)
        frame[16:48, left : left + 32] = (255, 255, 255)
        writer.write(frame)
    writer.release()


def grey(source, target):
    reader = cv2.VideoCapture(source)
    writer = None
    count, total, first = 0, 0.0, None
    while True:
        there, frame = reader.read()
        if not there:
            break
        changed = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        if writer is None:
            height, width = changed.shape
            writer = cv2.VideoWriter(target, cv2.VideoWriter_fourcc(*"MJPG"), 24, (width, height), False)
            first = changed
        writer.write(changed)
        count += 1
        total += float(changed.mean())
    reader.release()
    if writer is None:
        raise ValueError("the video has no frame")
    writer.release()
    return count, total / count, first


def main(args):
    global cold
    was_cold, cold = cold, False
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "in.avi"), os.path.join(folder, "out.avi")
        make_video(source, int(args.get("frames", 48)), int(args.get("width", 320)), int(args.get("height", 240)))
        start = time.time()
        frames, mean, first = grey(source, target)
        end = time.time()
        written = os.path.getsize(target)
    body = {
        "frames": frames,
        "mean": mean,
        "bytes": written,
        "cold": was_cold,
        "start": start,
        "end": end,
        "latency": end - start,
    }
    if args.get("include"):
        body["first"] = base64.b64encode(cv2.imencode(".png", first)[1].tobytes()).decode()
    return {"body": body}
