"""Codecs: bytes to events and back, as pure functions without any input or output."""
