"""sluiceway: an asyncio-native event pipeline for telemetry."""
