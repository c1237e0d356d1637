"""The ports' AWS side: buckets, ledger, queues, keys."""
