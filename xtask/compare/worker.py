"""The reference's side of `cargo xtask compare`: one JSON object per line, in and out.

A script of this folder defines workloads and hands them to `serve`. A workload is a class with

    arrays(size, dtype)       the input by name; kept on the object for `run`
    run()                     the computation that is timed; its result as an array
    difference(ours, theirs)  one number, by which agreement is judged
    truth                     optional: what `run` should find
"""

import json
import pathlib
import sys
import time

import numpy as np

DTYPES = {"f32": np.float32, "f64": np.float64}


class Server:
    def __init__(self, workloads):
        self.workloads = workloads
        self.current = None
        self.result = None

    def prepare(self, request):
        self.current = self.workloads[request["workload"]]()
        arrays = self.current.arrays(request["size"], DTYPES[request["dtype"]])
        for name, values in arrays.items():
            np.save(pathlib.Path(request["folder"]) / f"{name}.npy", np.ascontiguousarray(values))
        return {}

    def run(self, request):
        start = time.perf_counter()
        for _ in range(request["repeat"]):
            self.result = self.current.run()
        return {"seconds": time.perf_counter() - start}

    def agree(self, request):
        ours, theirs = np.load(request["path"]), np.asarray(self.result)
        answer = {"difference": float(self.current.difference(ours, theirs))}
        truth = getattr(self.current, "truth", None)
        if truth is not None:
            answer["error_ours"] = float(self.current.difference(ours, truth))
            answer["error_reference"] = float(self.current.difference(theirs, truth))
        return answer

    def answer(self, request):
        commands = {"prepare": self.prepare, "run": self.run, "agree": self.agree}
        return commands[request["do"]](request)


def serve(workloads):
    server = Server(workloads)
    for line in sys.stdin:
        try:
            answer = server.answer(json.loads(line))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
