"""Has the interpreter look for garbage less often; importing this is enough.

It looks whenever 700 objects more were made than were given back. While Prefect and SQLAlchemy are imported nothing of
what was made is garbage, and looking takes a sixth of the time. mypy does the same for itself. Garbage is kept a
little longer: 2 MB.
"""

from __future__ import annotations

import gc

gc.set_threshold(50_000, 20, 20)
