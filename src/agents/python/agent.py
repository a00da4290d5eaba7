"""The agent of the `python3` runtime in an interpreter of its own (no zygote): `python3 agent.py` with fds 3 and 4 as docs/protocol.md says.

Environment: ILUVATAR_CONTAINER and ILUVATAR_TOKEN for its HELLO (taken out before user code runs), ILUVATAR_STORE where nothing is mounted.
"""

import os
import sys

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, here)
    from iluvatar_agent.serve import run_agent

    # The user's `import agent` must not find this file.
    sys.path[:] = [path for path in sys.path if path and os.path.abspath(path) != here]
    container, token = os.environ.pop("ILUVATAR_CONTAINER", ""), os.environ.pop("ILUVATAR_TOKEN", "")
    run_agent({"role": "agent", "container": container, "token": token, "pid": os.getpid()}, os.environ.pop("ILUVATAR_STORE", ""))
