"""The values of the contract: identifiers, payloads, events, and what is derived from them. Pure: no IO."""
