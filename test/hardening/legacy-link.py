"""An old agent whose socket is a link to somebody else's."""

import os
import time

os.symlink(os.environ["LEADS_TO"], os.environ["__IL_SOCKET"])
time.sleep(60)
