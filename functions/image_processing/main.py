"""Flips, rotates, filters, greys and shrinks a picture."""

import base64
import io
import time

from PIL import Image, ImageFilter

cold = True


def make_picture(width, height):
    """A colour pattern, so that nothing has to be downloaded."""
    data = bytearray()
    for y in range(height):
        for x in range(width):
            data += bytes(((x * 5 + y) & 255, (x ^ y) & 255, (x * y) & 255))
    return Image.frombytes("RGB", (width, height), bytes(data))


def given_picture(text):
    return Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")


OPERATIONS = {
    "flip": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "rotate": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "blur": lambda picture: picture.filter(ImageFilter.BoxBlur(2)),
    "grey": lambda picture: picture.convert("L"),
    "thumbnail": lambda picture: picture.reduce(4),
}


def main(args):
    global cold
    was_cold, cold = cold, False
    if "image" in args:
        picture = given_picture(args["image"])
    else:
        picture = make_picture(int(args.get("width", 320)), int(args.get("height", 240)))
    start = time.time()
    results = {}
    for name, operation in OPERATIONS.items():
        changed = operation(picture)
        encoded = io.BytesIO()
        changed.save(encoded, "PNG")
        results[name] = (changed.size, encoded.getvalue())
    end = time.time()
    body = {
        "width": picture.width,
        "height": picture.height,
        "operations": {
            name: {"width": size[0], "height": size[1], "bytes": len(png)} for name, (size, png) in results.items()
        },
        "cold": was_cold,
        "start": start,
        "end": end,
        "latency": end - start,
    }
    if args.get("include"):
        body["images"] = {name: base64.b64encode(png).decode() for name, (_, png) in results.items()}
    return {"body": body}
