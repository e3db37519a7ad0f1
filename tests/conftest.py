"""Settings for the whole suite."""

from hypothesis import settings

# The machines that run this are shared: how long an example takes says nothing about the code.
settings.register_profile("metanet", deadline=None)
settings.load_profile("metanet")
