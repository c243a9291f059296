"""Property tests try the same examples in every run, and are never judged by how fast the machine is."""

from hypothesis import settings

settings.register_profile("cathlink", deadline=None, derandomize=True)
settings.load_profile("cathlink")
