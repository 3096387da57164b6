"""Decoders of watermarks, visible and not; plug-ins by the entry point `unreel.watermarks`."""
