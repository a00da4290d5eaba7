"""The original's HTTP agent, from its description: a flask application for gunicorn."""

from flask import Flask, jsonify, request
from reply import answer

app = Flask(__name__)


@app.get("/")
def alive():
    return jsonify({"status": "ok"})


@app.post("/invoke")
def invoke():
    reply, ended_well = answer(request.get_data())
    return jsonify(reply), 200 if ended_well else 422
