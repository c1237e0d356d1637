"""The dialect `compliance`: bulk export with a manifest, and legal holds by reference.

No official source documents this API. It is our reading of field reports, and stands in docs/genesys.md.
Conversations are selected, and their recordings listed, by the documented API of `genesys.platform`.
"""
